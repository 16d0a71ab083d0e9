"""A storm of failures: what is started for it, what is watched, and what is made of the figures."""
