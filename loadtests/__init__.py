"""Loads for Redrive: what a benchmark, a demo and a load test replay, and the programs that measure."""
