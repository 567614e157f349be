"""Evaluates designs: their networks, accuracies and costs, and the keys of evaluations in the cache."""
