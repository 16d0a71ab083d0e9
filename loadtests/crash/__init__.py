"""`bench crash`: the orchestrator is killed at every step and at random moments, and then all is counted."""
