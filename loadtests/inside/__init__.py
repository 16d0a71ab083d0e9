"""What runs the orchestrator's own calls in a process of its own, so that a benchmark can measure them."""
