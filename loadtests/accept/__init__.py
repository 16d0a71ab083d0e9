"""What accepting an event costs: the log's own call beside bare SQLite, and over HTTP."""
