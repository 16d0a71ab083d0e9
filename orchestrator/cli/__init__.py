"""The verbs of the redrive command."""
