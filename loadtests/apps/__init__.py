"""Sample Celery applications and the model provider they call."""
