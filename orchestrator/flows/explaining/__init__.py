"""Explaining: from what is recorded, and from nothing else, what became of a task, an incident, an event, and why."""
