"""Telling people: over any service that apprise knows, and over PagerDuty's own events."""
