"""Commands that are more than a call into another room."""
