"""Probes of dependencies: over HTTP, TCP and SQL, and by a task that a worker runs. Each is bounded in all it takes."""
