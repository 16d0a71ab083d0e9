"""The tests: unit mirrors the code, contracts hold one suite for each port, the others start real processes."""
