"""What is said in chat, and how a text goes through a workflow; no server is needed."""

from __future__ import annotations

import unittest
from urllib.parse import quote

from chat import LONGEST, plain, told
from orchestrator_api import opened, printable

# StackStorm's pack test runner is unittest's: pytest is not there.
# ruff: noqa: PT009

HOSTILE = "{{ 7*7 }} <% 7*7 %> {% for x in y %} <!channel> <https://evil.example|click> `*_~ @here \x1b[2J \u202e\nnext"


class Chat(unittest.TestCase):
    """Texts of tasks, shown to people."""

    def test_nothing_of_a_text_is_more_than_text(self) -> None:
        """No expression, no mark-up, no link, no call to all, no control character, one line."""
        shown = plain(HOSTILE)
        for mark in ("{{", "}}", "{%", "<", ">", "<!", "://", "@here", "\x1b", "\u202e", "\n"):
            self.assertNotIn(mark, shown)
        self.assertIn("channel", shown)

    def test_a_text_is_cut_short(self) -> None:
        """At 200 characters of it."""
        self.assertEqual(plain("x" * 1000), "x" * (LONGEST - 3) + "...")

    def test_an_answer_of_another_kind_is_counted(self) -> None:
        """What has no words of its own tells what stands in it, or how many; and done, where it has neither."""
        self.assertEqual(told("", {"id": "i", "state": "held"}), "id i, state held")
        self.assertEqual(told("alerts", {"alerts": [1, 2]}), "2 alerts")
        self.assertEqual(told("", {}), "done")

    def test_a_recovery_tells_its_progress(self) -> None:
        """Counts that are not nought, in words."""
        text = told("recovery", {"id": "r", "state": "running", "progress": {"asked": 7, "in_flight": 2, "dead": 0}})
        self.assertEqual(text, "recovery r: running, 7 asked, 2 in flight")

    def test_a_long_list_says_how_many_are_left_out(self) -> None:
        """Twenty are shown."""
        text = told("incidents", {"incidents": [{"id": str(number)} for number in range(25)]})
        self.assertEqual(len(text.splitlines()), 21)
        self.assertIn("and 5 more", text)


class Sealed(unittest.TestCase):
    """Texts on their way through a workflow, and names on theirs into a header."""

    def test_a_sealed_text_is_opened_and_any_other_left_alone(self) -> None:
        """Percent-encoded there is nothing in it to evaluate."""
        sealed = "sealed:" + quote(HOSTILE, safe="")
        for mark in ("{{", "{%", "<%"):
            self.assertNotIn(mark, sealed)
        self.assertEqual(opened(sealed), HOSTILE)
        self.assertEqual(opened(HOSTILE), HOSTILE)

    def test_a_name_fits_a_header(self) -> None:
        """Printed characters of any script, at most 100, no line's end."""
        self.assertEqual(printable("zoë\r\nX-Other: 1"), "zoë??X-Other: 1")
        self.assertEqual(printable("Søren 李\u202e"), "Søren 李?")
        self.assertEqual(len(printable("x" * 300)), 100)


if __name__ == "__main__":
    unittest.main()
