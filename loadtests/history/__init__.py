"""Runs of earlier nights: kept as files, compared with each other, and told to the orchestrator as events."""
