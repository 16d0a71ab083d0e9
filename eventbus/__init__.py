"""What runs inside Celery workers: it records failures and costs, and never lets a fault of its own reach a task."""
