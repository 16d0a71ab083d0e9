"""How a scenario is played: its timeline, what is looked at meanwhile, and what is collected at the end."""
