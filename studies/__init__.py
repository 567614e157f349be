"""Declarative studies, and the experiments that regenerate published results."""
