"""Targets over apprise against a mail server and Slack's webhook: what arrives, escaped; what fails, and no secret."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from orchestrator.domain.alerts import Action, Notice
from orchestrator.domain.errors import SettingsInvalid
from orchestrator.domain.incidents import Severity
from orchestrator.domain.notifying import NotSent, Sent
from orchestrator.notify.apprise import AppriseNotifier
from tests.pagers import SLACK_URL, WEBHOOK, dead_port, mail, slack, webhook

HOSTILE = "<!channel> <http://e|click> *bold* <script>alert(1)</script> [a](http://e) & @everyone \x1b[31m"
NOTICE = Notice(
    "redrive-1", Action.TRIGGER, Severity.ERROR, f"[ERROR] {HOSTILE}", f"why\n{HOSTILE}", commands=("redrive why 1",)
)


def test_a_mail_arrives_with_its_subject_and_text() -> None:
    """As plain text: there is nothing that a reader would take for markup, and no other header."""
    with mail() as box:
        hostile = replace(NOTICE, title="app\r\nBcc: eve@example.com")
        assert AppriseNotifier("mail", box.url).notify(hostile) == Sent()
        (got,) = box.got
    assert got["Subject"] == "app\\x0d Bcc: eve@example.com"
    assert got["Bcc"] is None
    assert got.get_content_type() == "text/plain"
    text = got.get_content()
    assert "<script>alert(1)</script>" in text
    assert "redrive why 1" in text
    assert "\x1b" not in text


def test_a_mail_in_html_has_the_text_escaped() -> None:
    """Where the URL asks for HTML, a tag in a task's name is text."""
    with mail() as box:
        assert AppriseNotifier("mail", f"{box.url}&format=html").notify(NOTICE) == Sent()
        (got,) = box.got
    page = next(part for part in got.walk() if part.get_content_type() == "text/html").get_content()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<a " not in page


def test_slack_shows_what_it_is_told_and_calls_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its three characters are escaped, so that there is no link, no channel and no user in a task's name."""
    with slack(monkeypatch) as server:
        assert AppriseNotifier("slack", SLACK_URL).notify(NOTICE) == Sent()
        (text,) = server.texts()
        assert server.posts[0]["mrkdwn"] is False
    assert "<" not in text
    assert "&lt;!channel&gt; &lt;http://e|click&gt;" in text
    assert "@everyone" not in text


@pytest.mark.parametrize("form", ["", "&format=markdown"])
def test_slack_as_markdown_calls_nobody_either(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the URL asks for Markdown, nothing of a task's name is markup."""
    with slack(monkeypatch) as server:
        assert AppriseNotifier("slack", SLACK_URL + form).notify(NOTICE) == Sent()
        (text,) = server.texts()
    assert "<!channel>" not in text
    assert "<http" not in text


def test_who_is_away_is_told_without_the_url(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the reason nor any log line of apprise has a token or a place in it."""
    caplog.set_level(logging.DEBUG)
    with slack(monkeypatch) as server:
        server.status = 500
        answers = [AppriseNotifier("slack", SLACK_URL).notify(NOTICE)]
    away = f"mailto://ann:pa55word@127.0.0.1:{dead_port()}?from=c@b.example&to=a@b.example"
    answers += [AppriseNotifier("mail", away).notify(NOTICE)]
    assert all(isinstance(each, NotSent) for each in answers)
    # Those of urllib3 are told at DEBUG alone, and scrubbed as all lines are.
    lines = [each.getMessage() for each in caplog.records if not each.name.startswith("urllib3")]
    said = f"{answers} {lines}"
    assert not any(secret in said for secret in (*WEBHOOK, "pa55word"))


@pytest.mark.parametrize("url", ["nothing://s3cr3tt0ken/x", "slack://s3cr3tt0ken", "s3cr3tt0ken"])
def test_a_url_that_apprise_does_not_know_is_refused_without_being_told(url: str) -> None:
    """The table and the key are named, and the scheme; nothing behind it."""
    with pytest.raises(SettingsInvalid, match=r"REDRIVE_ALERTS\.targets\.x\.url: expected a URL") as refused:
        AppriseNotifier("x", url)
    assert "s3cr3tt0ken" not in str(refused.value)


def test_a_chat_that_shows_markdown_shows_a_tasks_name_as_it_is() -> None:
    """Mattermost takes all text for Markdown: each mark of a name is escaped on its way there."""
    with webhook() as server:
        url = f"mmost://127.0.0.1:{server.server_address[1]}/3ccdd113474722377935511fc85d3dd4"
        assert AppriseNotifier("chat", url).notify(NOTICE) == Sent()
        text = server.posts[0]["text"]
    assert "\\*bold\\*" in text
    assert "\\[a\\]\\(http\\://e\\)" in text
    assert "\\<script\\>" in text
    assert "@everyone" not in text
