"""The pack's own tests, for a StackStorm's pack test runner; they need no server."""

from __future__ import annotations

import threading
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer

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

    def test_a_name_of_any_script_arrives_as_it_is(self) -> None:
        """In UTF-8, as the orchestrator reads it; HTTP's servers show such a header as Latin-1."""
        heard = []

        class Listening(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                heard.append(self.headers["Redrive-On-Behalf-Of"])
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        with HTTPServer(("127.0.0.1", 0), Listening) as server:
            threading.Thread(target=server.handle_request, daemon=True).start()
            url = f"http://127.0.0.1:{server.server_port}"
            Orchestrator({"orchestrator_url": url}, behalf_of="Søren 李").get("/incidents")
        self.assertEqual([each.encode("latin-1").decode() for each in heard], ["Søren 李"])


if __name__ == "__main__":
    unittest.main()
