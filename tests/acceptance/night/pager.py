"""Who is woken in the night: a chat, a phone and a lead, one for each level, who keep what they are told."""

from __future__ import annotations

import json
import re
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final, Self

from tests.pagers import Webhook, webhook

LADDER: Final = "night"
# The levels, each with one target of its own name; the last is told where nobody answers the one before.
LEVELS: Final = ("chat", "on-call", "lead")
# What apprise calls a page, and an end.
PAGE: Final = "failure"
END: Final = "success"
ID: Final = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


@dataclass(frozen=True, slots=True)
class Message:
    """What one target was told: by the level it belongs to, as it came."""

    level: str
    kind: str
    title: str
    text: str

    @property
    def commands(self) -> list[str]:
        """Give the commands that it names, in its order."""
        return [line for line in self.text.splitlines() if line.startswith("redrive ")]

    @property
    def incident(self) -> str:
        """Give the incident that its first command is about."""
        return str(re.findall(ID, self.commands[0])[0])

    @property
    def alert(self) -> str:
        """Give the alert that its command for that acknowledges."""
        (command,) = (each for each in self.commands if each.startswith("redrive alerts acknowledge"))
        return str(re.findall(ID, command)[0])


@dataclass(slots=True)
class Pager:
    """A server that takes what people are told.

    The phone rings from `size` failures of one dependency on; the lead's, once the phone was not answered for
    `unanswered` seconds.
    """

    size: int
    unanswered: int
    _server: Webhook = field(init=False)
    _open: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        """Listen."""
        self._server = self._open.enter_context(webhook())
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def settings(self) -> str:
        """Give REDRIVE_ALERTS."""
        place = self._server.place.replace("http://", "json://")
        conditions: tuple[dict[str, Any], ...] = ({}, {"size": self.size}, {"unanswered_seconds": self.unanswered})
        levels = [{"name": name, "targets": [name]} | more for name, more in zip(LEVELS, conditions, strict=True)]
        targets = {name: {"kind": "apprise", "url": f"{place}/{name}"} for name in LEVELS}
        return json.dumps({"default": LADDER, "targets": targets, "ladders": {LADDER: {"levels": levels}}})

    def told(self, dependency: str, kind: str) -> list[Message]:
        """Give what was told of a dependency, oldest first."""
        found = [Message(each["path"].strip("/"), each["type"], each["title"], each["message"]) for each in self._posts]
        return [each for each in found if each.kind == kind and f"{dependency}:" in each.title]

    @property
    def _posts(self) -> list[dict[str, Any]]:
        return list(self._server.posts)

    def woken(self, dependency: str, level: str) -> Message | None:
        """Give the page of a level; None as long as there is none."""
        return next((each for each in self.told(dependency, PAGE) if each.level == level), None)

    def ended(self, dependency: str, *levels: str) -> bool:
        """Tell whether each of these levels has heard that it is over."""
        return {each.level for each in self.told(dependency, END)} >= set(levels)

    def expect_once(self, dependency: str, *levels: str) -> None:
        """See that these levels were each woken once for all that failed, and each told once that it is over."""
        for kind in (PAGE, END):
            told = Counter(each.level for each in self.told(dependency, kind))
            assert told == Counter(levels), (dependency, kind, told)
        assert all(each.commands for each in self.told(dependency, PAGE))
