"""StackStorm: the client, and the embedded one for development."""
