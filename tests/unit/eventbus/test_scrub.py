"""Scrubbing: what this process keeps secret stands in none of its texts and in none of our log lines."""

from __future__ import annotations

import logging

import pytest

from eventbus import scrub
from eventbus.scrub import HIDDEN, Guard, Scrubber


def test_the_passwords_of_urls_are_hidden_in_every_form() -> None:
    """Of one URL, of a list, of alternates in one text: as written, percent-decoded, within an URL and alone."""
    scrubber = Scrubber()
    scrubber.learn_url("amqp://u:p%40ss%2Fword@a//;amqp://u:other-one@b//", ["redis://:third-one@c/0"], None)
    for told in ("p%40ss%2Fword", "p@ss/word", "other-one", "third-one"):
        assert told not in scrubber.text(f"no login with {told} at amqp://u:{told}@a//")
    assert scrubber.text("amqp://u:never-heard-of@a//") == f"amqp://u:{HIDDEN}@a//"


def test_what_the_environment_keeps_secret_is_hidden() -> None:
    """By the variable's name, from six characters on; a file's name is none, the password of any URL is one."""
    scrubber = Scrubber()
    scrubber.learn_environment(
        {
            "OPENAI_API_KEY": "sk-abcdef",
            "DB_PASSWORD": 'quo"te\nline',
            "SENTRY_DSN": "https://k@s/1",
            "SHORT_TOKEN": "abc",
            "REDRIVE_API_TOKEN_FILE": "/run/secrets/token",
            "PATH": "/usr/bin:/bin",
            "DATABASE": "postgresql://u:database-word@h/d",
        }
    )
    text = scrubber.text("sk-abcdef quo\"te\nline abc /run/secrets/token /usr/bin database-word 'quo\"te\\nline'")
    assert text == f"{HIDDEN} {HIDDEN} abc /run/secrets/token /usr/bin {HIDDEN} '{HIDDEN}'"


def test_everybodys_password_is_no_secret() -> None:
    """RabbitMQ's `guest` is hidden in an URL alone: the word stands in many texts."""
    scrubber = Scrubber()
    scrubber.learn_url("amqp://guest:guest@localhost//")
    assert scrubber.text("a guest at amqp://guest:guest@localhost//") == f"a guest at amqp://guest:{HIDDEN}@localhost//"


def test_our_log_lines_name_no_secret(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Neither in the line, nor in its arguments, nor in its traceback."""
    known = Scrubber()
    known.learn("a-secret-word")
    monkeypatch.setattr(scrub, "KNOWN", known)
    log = logging.getLogger("eventbus.test_scrub")
    log.addFilter(Guard())
    error = ValueError("a-secret-word in an exception")
    log.error("a.name: %s %r", "a-secret-word", error, exc_info=error)
    assert "a-secret-word" not in caplog.text
    assert caplog.text.count(HIDDEN) >= 3


def test_every_logger_of_the_package_is_guarded() -> None:
    """The loggers that there are get the guard once, others none."""
    ours, other = logging.getLogger("eventbus.test_guard"), logging.getLogger("elsewhere.test_guard")
    scrub.guard()
    scrub.guard()
    assert [type(each) for each in ours.filters] == [Guard]
    assert other.filters == []


@pytest.mark.parametrize(
    "name",
    [
        "DB_PASS",
        "MYSQL_PWD",
        "ROOT_PW",
        "BASIC_AUTH",
        "AUTHORIZATION",
        "SMTP_CREDS",
        "SENTRY_DSN",
        "AWS_SECRET_ACCESS_KEY",
    ],
)
def test_a_secret_is_known_by_its_variable_s_name(name: str) -> None:
    """The names that deployments give to secrets are known, in short forms too."""
    scrubber = Scrubber()
    scrubber.learn_environment({name: "tr0ub4dor"})
    assert scrubber.text("login with tr0ub4dor failed") == f"login with {HIDDEN} failed"


@pytest.mark.parametrize("name", ["PWD", "OLDPWD", "SSH_AUTH_SOCK", "TOKEN_FILE", "AUTH_HOST", "SPWDX_PATH"])
def test_a_place_is_no_secret(name: str) -> None:
    """Where something lies is said: a text without the folder that it is about says nothing."""
    scrubber = Scrubber()
    scrubber.learn_environment({name: "/srv/app/current"})
    assert scrubber.text("no such file: /srv/app/current/x") == "no such file: /srv/app/current/x"
