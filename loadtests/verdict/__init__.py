"""What a load test measured, which gates it met, and what is told of it."""
