"""Lone failures: one at a time through worker, bus, rule, workflow and back, with a stamp at each stage."""
