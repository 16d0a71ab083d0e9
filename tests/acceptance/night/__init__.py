"""A night with 40,000 failed tasks, for real: from the alert to recovered, held against what the tasks say."""
