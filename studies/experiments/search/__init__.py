"""Compares searches: evaluations against the hypervolume that they find, on spaces with a real decision."""
