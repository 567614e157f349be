"""Independent checks against LiteRT, and model files that carry a narrowed design."""
