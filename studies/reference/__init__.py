"""Generates the reference pages of the documentation: ``python -m studies.reference.write_...``."""
