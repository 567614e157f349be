"""Regenerates the published hardware results."""
