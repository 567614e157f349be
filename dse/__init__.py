"""Design-space exploration: studies that join networks and hardware, their search, storage and reports."""
