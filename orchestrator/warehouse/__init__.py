"""The warehouse schema, its loader and its queries."""
