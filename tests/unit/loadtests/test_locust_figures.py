"""Locust's histograms are read as Locust writes them."""

from __future__ import annotations

from loadtests.locust_figures import Requests, of_locust


def test_the_p95_is_the_least_time_that_covers_95_percent() -> None:
    """Of 100 requests the 95th counts, in the order of times and not of their names."""
    histogram = {"9": 90, "100": 4, "20": 5, "1000": 1}
    entry = {"name": "POST /calls", "num_requests": 100, "num_failures": 3, "response_times": histogram}
    assert of_locust([entry]) == [Requests("POST /calls", 100, 3, 20.0)]


def test_nothing_requested_is_no_error() -> None:
    """A request that was never made has a p95 of 0."""
    assert of_locust([{"name": "x", "num_requests": 0, "num_failures": 0, "response_times": {}}])[0].p95_ms == 0
