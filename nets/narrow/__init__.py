"""Narrowing of rescalers: rounding, absorption into weights and activation scales, certificates."""
