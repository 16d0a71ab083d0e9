"""A RudderStack data plane for development: checks what the real gateway checks, and keeps what it accepts."""
