"""The pack's own tests, for a StackStorm's pack test runner; they need no server."""

from __future__ import annotations

import unittest

from orchestrator_api import Orchestrator, Unavailable, refusal

# StackStorm's pack test runner is unittest's: pytest is not there.
# ruff: noqa: PT009, PT027


class OrchestratorApi(unittest.TestCase):
    """What the actions share."""

    def test_a_refusal_says_why(self) -> None:
        """Title and detail of the problem, or the status alone."""
        told = refusal(422, {"title": "Invalid plan", "detail": "no such queue"})
        self.assertEqual(told, {"http_status": 422, "error": "Invalid plan: no such queue"})
        self.assertEqual(refusal(404, {})["error"], "HTTP 404")

    def test_an_orchestrator_that_is_away_is_unavailable_and_the_token_is_not_told(self) -> None:
        """The error names the address and the kind of error only."""
        away = Orchestrator({"orchestrator_url": "http://127.0.0.1:9", "api_token": "t0p", "timeout_seconds": 1})
        with self.assertRaises(Unavailable) as caught:
            away.get("/releases/r")
        self.assertIn("http://127.0.0.1:9/api/v1/releases/r", str(caught.exception))
        self.assertNotIn("t0p", str(caught.exception))


if __name__ == "__main__":
    unittest.main()
