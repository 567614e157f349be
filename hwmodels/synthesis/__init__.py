"""Synthesis, gate-level energy and the fitting of technology tables."""
