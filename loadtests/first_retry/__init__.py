"""First retries compared: a declared mix of faults, contestants that meet the same one, and their figures."""
