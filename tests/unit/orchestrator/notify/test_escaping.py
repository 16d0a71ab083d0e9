"""Text of others on its way to people: nothing that is not seen, calls somebody, or is taken for markup."""

from __future__ import annotations

import pytest

from orchestrator.notify.escaping import APART, line, markdown, plain, without_mentions


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("a\x1b[31mred", "a\\x1b[31mred"),
        ("a\r\nSubject: b", "a\\x0d\nSubject: b"),
        ("right\u202eleft", "right\\u202eleft"),
        ("nul\x00 and \x9b", "nul\\x00 and \\x9b"),
        ("héllo 😀\ntwo", "héllo 😀\ntwo"),
    ],
)
def test_what_is_not_seen_is_shown_as_its_code(given: str, shown: str) -> None:
    """Control characters and those that turn text round are told, never sent; lines and letters stay."""
    assert plain(given) == shown


def test_a_title_is_one_line() -> None:
    """No header of a mail can be begun from within a task's name."""
    assert line("app.call\r\nBcc: eve@example.com") == "app.call\\x0d Bcc: eve@example.com"


def test_nobody_is_called_by_a_tasks_name() -> None:
    """An @ stands apart from what would be called."""
    assert without_mentions("@everyone @here") == f"@{APART}everyone @{APART}here"


@pytest.mark.parametrize(
    "given", ["*bold*", "_it_", "[a](http://e)", "`c`", "# h", "<b>", "a|b", "~s~", "![i](u)", "> q"]
)
def test_markdown_is_shown_as_it_is(given: str) -> None:
    """Each mark has a backslash before it, and nothing else has changed."""
    shown = markdown(given)
    assert shown.replace("\\", "") == given
    assert all(shown[at - 1] == "\\" for at, each in enumerate(shown) if each in "*_[]()`#<>|~!")
