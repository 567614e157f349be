"""What docs/results publishes, one command each: ``python -m dse.experiments.<name>``."""
