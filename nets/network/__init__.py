"""The integer network: operators, tensors, rescalers, contracts, integers and fingerprints."""
