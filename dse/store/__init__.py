"""What a run keeps: trials, records, run folder, cache."""
