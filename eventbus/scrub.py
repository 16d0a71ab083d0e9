"""What must never be said: the passwords and secrets that this process knows, kept out of texts, logs and answers."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HIDDEN: Final = "[hidden]"
# A shorter value may be a word of its own: hiding it everywhere would leave no text to read.
LEAST_CHARACTERS: Final = 6
LEAST_OF_A_PASSWORD: Final = 4
# Everybody's password is nobody's, and the word stands in many texts.
PUBLIC: Final = frozenset({"guest"})
SECRET_NAME: Final = re.compile(r"PASS|PWD|(^|_)PW(_|$)|SECRET|TOKEN|KEY|AUTH|CRED|DSN", re.IGNORECASE)
# What names a place and not the secret itself.
PLACE: Final = re.compile(r"_(FILE|PATH|DIR|SOCK|HOST|URL)$|^(OLD)?PWD$", re.IGNORECASE)
_IN_URL: Final = re.compile(r"(\w[\w+.-]*://[^\s:/@'\"]*):[^\s'\"]*@")


class Scrubber:
    """Knows secrets, and takes them out of texts: as they are, percent-encoded, and as repr and JSON write them."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def learn(self, *secrets: str | None, least: int = LEAST_CHARACTERS) -> None:
        """Hide these from now on; shorter ones than `least` characters are not."""
        forms = {form for secret in secrets if secret and len(secret) >= least for form in _forms(secret)}
        if forms - self._known:
            self._known |= forms
            self._pattern = re.compile("|".join(map(re.escape, sorted(self._known, key=len, reverse=True))))

    def learn_url(self, *urls: object) -> None:
        """Hide the passwords of these URLs (those of a list, and those separated by `;`, too)."""
        for url in urls:
            if isinstance(url, (list, tuple)):
                self.learn_url(*url)
            elif isinstance(url, str):
                self.learn(*(_password(each) for each in url.split(";")), least=LEAST_OF_A_PASSWORD)

    def learn_environment(self, environ: Mapping[str, str]) -> None:
        """Hide the values of variables whose names look secret, and the passwords of all that are URLs."""
        self.learn(*(value for name, value in environ.items() if SECRET_NAME.search(name) and not PLACE.search(name)))
        self.learn_url(*(value for value in environ.values() if "://" in value))

    def text(self, text: str) -> str:
        """Give a text without what must not be said."""
        if "://" in text:
            text = _IN_URL.sub(rf"\1:{HIDDEN}@", text)
        return self._pattern.sub(HIDDEN, text) if self._pattern else text


def _password(url: str) -> str | None:
    try:
        password = urlsplit(url.strip()).password
    except ValueError:
        return None
    return None if password is None or unquote(password) in PUBLIC else password


def _forms(secret: str) -> Iterable[str]:
    for plain in {secret, secret.strip(), unquote(secret)}:
        yield from (plain, quote(plain, safe=""), quote(plain), repr(plain)[1:-1], plain.replace('"', '\\"'))


# What this process knows. Filled at the start of a worker (`install`) and of a command (`set_up_logging`).
KNOWN: Final = Scrubber()


def text(told: str) -> str:
    """Give a text without the secrets that this process knows."""
    return KNOWN.text(told)


class Guard(logging.Filter):
    """A filter for our own loggers: no record of theirs names a secret, its traceback included."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Scrub the record; every record passes."""
        record.msg, record.args = text(record.getMessage()), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = text(logging.Formatter().formatException(record.exc_info))
            record.exc_info = None
        return True


_GUARD: Final = Guard()


def guard(package: str = "eventbus") -> None:
    """Put the guard before every logger of a package that exists by now; a second call changes nothing."""
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and name.partition(".")[0] == package:
            logger.addFilter(_GUARD)
