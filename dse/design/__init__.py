"""Designs and how they are compared: design point, search space, metrics, dominance, statistics."""
