"""What a load test loads: every process and server of a run, its links, and the faults that are made in it."""
