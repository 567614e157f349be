"""Evaluation of designs: accuracy, costs, and the fidelity ladder."""
