"""Designs that are not rescalers, to fit and validate the cost of anyone's RTL: single operators, random datapaths."""
