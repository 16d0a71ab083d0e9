"""Sinks as the settings give them: which destinations there are, what goes to each, and how much at once."""
