"""The study file, and the networks, data and search space prepared from it."""
