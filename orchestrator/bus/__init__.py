"""What crosses the bus, through kombu."""
