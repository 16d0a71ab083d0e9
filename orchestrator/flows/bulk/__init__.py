"""What a person asks for: failures to go again, one or many, and to rest, to go on or to end while they do."""
