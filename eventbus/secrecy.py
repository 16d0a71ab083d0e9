"""What an application wants kept in its workers: its rules, its denied headers, its resolver, and its own secrets."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from eventbus import scrub
from eventbus.departing import Departing
from eventbus.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from eventbus.declaration import Declarations


@dataclass(frozen=True, slots=True)
class Secrecy:
    """Of one Celery application; `resolver` is the callable that `install` was given."""

    app: Any
    declarations: Declarations
    deny_headers: tuple[str, ...] = ()
    resolver: Callable[[str, str, str], Any] | None = None
    rules: Rules = field(init=False)

    def __post_init__(self) -> None:
        """Read the rules from what is declared; asking for the tasks now would finish the application too early."""
        object.__setattr__(self, "rules", Rules(self.declarations, lambda: self.app.tasks))

    def departing(self, spool: Path) -> Departing:
        """Make what messages go through before they leave; raises ValueError naming the variable that is wrong."""
        self.learn()
        return Departing.of_worker(
            spool,
            paths_of=self.rules.of,
            redacting=self.rules.any,
            accept=lambda: self.app.conf.accept_content,
            deny_headers=self.deny_headers,
            resolvable=self.resolver is not None,
        )

    def check(self, spool: Path) -> None:
        """In a worker, before it consumes: refuse rules that name what no call has, and settings that are wrong.

        Raises DeclarationError, and ValueError like `departing`.
        """
        self.rules.check()
        self.departing(spool)

    def learn(self, *urls: object) -> None:
        """Hide from now on the passwords of broker, backend and these URLs, and what the environment keeps secret."""
        conf = self.app.conf
        scrub.KNOWN.learn_environment(os.environ)
        scrub.KNOWN.learn_url(conf.broker_url, conf.broker_read_url, conf.broker_write_url, conf.result_backend, *urls)
        scrub.guard()
