"""Rules: which triggers they match, and with what parameters they start an action."""
