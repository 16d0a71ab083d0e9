"""Failures, incidents, releases, attempts and commands, in SQL."""
