"""The pack's own tests, for a StackStorm's pack test runner; they need no server."""

from __future__ import annotations

import threading
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import unquote

from load_api import LoadTests, Unavailable, path_of, refusal, sealed

# StackStorm's pack test runner is unittest's: pytest is not there.
# ruff: noqa: PT009, PT027


class LoadApi(unittest.TestCase):
    """What the actions share."""

    def test_a_service_that_is_away_is_unavailable_and_the_token_is_not_told(self) -> None:
        """The error names the address and the kind of error only."""
        away = LoadTests({"service_url": "http://127.0.0.1:9", "service_token": "t0p", "timeout_seconds": 1})
        with self.assertRaises(Unavailable) as caught:
            away.get("/runs/r")
        self.assertIn("http://127.0.0.1:9/runs/r", str(caught.exception))
        self.assertNotIn("t0p", str(caught.exception))

    def test_what_another_server_answers_is_no_answer(self) -> None:
        """A page where JSON is expected, and a 500, are worth another try; a refusal is told with its reason."""
        for status, body in ((200, b"<html>"), (500, b"{}"), (429, b"{}")):
            with self.assertRaises(Unavailable):
                _asked(status, body)
        self.assertEqual(_asked(409, b'{"going": "r"}'), (409, {"going": "r"}))

    def test_a_refusal_says_why(self) -> None:
        """Title and detail of the problem, or the status alone."""
        self.assertEqual(refusal(422, {"title": "Wrong", "detail": "so"}), {"http_status": 422, "error": "Wrong: so"})
        self.assertEqual(refusal(404, {})["error"], "HTTP 404")

    def test_a_sealed_text_holds_nothing_to_evaluate(self) -> None:
        """And it is the same once it is opened."""
        text = "{{ 7*7 }} <% 7*7 %> ü"
        self.assertFalse(set("{}<>") & set(sealed(text)))
        self.assertEqual(unquote(sealed(text)), "sealed:" + text)

    def test_an_id_stays_one_part_of_a_path(self) -> None:
        """Whatever it holds."""
        self.assertEqual(path_of("../x?y"), "/runs/..%2Fx%3Fy")


def _asked(status: int, body: bytes) -> tuple[int, object]:
    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        return LoadTests({"service_url": f"http://127.0.0.1:{server.server_port}", "timeout_seconds": 5}).get("/runs")


if __name__ == "__main__":
    unittest.main()
