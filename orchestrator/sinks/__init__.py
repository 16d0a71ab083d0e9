"""One file for each destination of events."""
