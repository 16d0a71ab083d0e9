"""Reads a Celery application and its settings, and says what would be lost with them, and the line to change."""
