"""The search: driver, samplers and surrogate."""
