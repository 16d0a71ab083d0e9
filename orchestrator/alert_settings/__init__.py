"""Alerts as the settings give them: who may be told, the ladders, and which incidents go by which."""
