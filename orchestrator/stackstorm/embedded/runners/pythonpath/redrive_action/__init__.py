"""What a warm process runs beside pack code: standard library alone, as Python 3.8 writes it."""
