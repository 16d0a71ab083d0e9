"""A service that plays scenarios for whoever asks over HTTP, one at a time: `python -m loadtests serve`."""
