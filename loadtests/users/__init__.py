"""Who loads the system: each file imports locust, which patches Python's sockets, and belongs in its process only."""
