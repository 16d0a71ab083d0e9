"""What a load test plays: its load, its phases, its faults and its gates, as files."""
