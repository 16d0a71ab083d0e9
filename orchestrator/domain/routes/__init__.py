"""Routes: where else a failed task may run, and which of these places it goes to."""
