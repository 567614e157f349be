"""Integer-exact neural networks: import, execution, narrowing, certificates and rescale-aware training."""
