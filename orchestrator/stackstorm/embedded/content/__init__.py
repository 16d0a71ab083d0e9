"""Packs as they lie on disk: read, checked, and turned into values."""
