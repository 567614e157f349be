"""What docs/results publishes, one command each: ``python -m studies.experiments.<name>``."""
