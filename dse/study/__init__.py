"""What a study file says, and what is prepared from it."""
