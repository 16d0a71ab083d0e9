"""Benchmarks: programs that print their figure beside a peer measured in the same run."""
