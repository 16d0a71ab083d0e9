"""The ways in over HTTP: CloudEvents, and RudderStack's own form."""
