"""The tests: unit mirrors the code, contracts hold one suite for each port, integration and acceptance start real processes."""
