"""Dependencies as the settings give them: checked at the start, and made into the domain's values."""
