"""What accepting an event costs: the log beside bare SQLite."""
