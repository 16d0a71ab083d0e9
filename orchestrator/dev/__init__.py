"""What only a developer runs."""
