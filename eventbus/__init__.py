"""What runs inside Celery workers: it records what fails and what it cost, and never lets a fault of its own reach a task."""
