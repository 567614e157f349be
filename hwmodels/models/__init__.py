"""Cost models with one interface: analytic, parsed RTL and calibrated."""
