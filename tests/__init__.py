"""Tests; what several rooms share lies here."""
