"""What classification is asked and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.domain.failures import ExceptionFacts, Failure, Kind, Way

MOST_LINES: Final = 400
# The rules that go by the words of messages, in which may stand what anybody typed.
MESSAGE_WORDS: Final = "message-words"
SPENT_WORDS: Final = "spent-words"


@dataclass(frozen=True, slots=True)
class Case:
    """What is known of one failed run: how it ended, of its exception, of its task; `never` as declared on the task."""

    captured: Way
    facts: ExceptionFacts
    never: tuple[str, ...] = ()
    task: str = ""
    dependency: str | None = None

    @classmethod
    def of(cls, failure: Failure) -> Case:
        """Take out of a failure what classification asks about."""
        declared = failure.declaration
        return cls(failure.captured, failure.exception, declared.never, failure.task, declared.dependency)

    @property
    def types(self) -> tuple[str, ...]:
        """Name the exception's type and those beneath it, with their modules, nearest first."""
        return (self.facts.type, *self.facts.chain)

    @property
    def texts(self) -> tuple[str, ...]:
        """Give the message, and of each exception beneath the first line of its own, where the traceback shows it."""
        return (self.facts.message, *_beneath(self.facts))


@dataclass(frozen=True, slots=True)
class Verdict:
    """A kind, with the reason that an operator reads and the name of the rule that told it."""

    kind: Kind
    why: str
    rule: str = "none"

    @property
    def told(self) -> str:
        """Give the reason with its rule, as failures and incidents keep it."""
        return f"{self.why} [{self.rule}]"

    @property
    def by_words(self) -> bool:
        """Tell whether nothing but words of a message says so."""
        return self.rule in {MESSAGE_WORDS, SPENT_WORDS}


class Rule(Protocol):
    """One question, with what it looks at."""

    @property
    def name(self) -> str:
        """Give the name that stands in reasons."""

    @property
    def reads(self) -> str:
        """Say what the rule looks at."""

    def ask(self, case: Case) -> Verdict | None:
        """Give the verdict, None where the rule does not know."""


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A rule that everybody has."""

    name: str
    reads: str
    asks: Callable[[Case], Verdict | None]

    def ask(self, case: Case) -> Verdict | None:
        """Give the verdict, None where the rule does not know."""
        return self.asks(case)


@dataclass(frozen=True, slots=True)
class Asked:
    """A rule that was asked, and what it answered."""

    name: str
    reads: str
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """A verdict with every rule that was asked for it, in order."""

    verdict: Verdict
    asked: tuple[Asked, ...] = field(default=())


def short(name: str) -> str:
    """Give the name of a type without its module."""
    return name.rpartition(".")[2]


@lru_cache(maxsize=4)
def _beneath(facts: ExceptionFacts) -> tuple[str, ...]:
    """Read in a traceback what Python prints of each exception: its type, a colon, its message."""
    heads = tuple(f"{name.removeprefix('builtins.')}: " for name in facts.chain)
    if not heads:
        return ()
    lines = facts.traceback.split("\n", MOST_LINES)[:MOST_LINES]
    return tuple(line.partition(": ")[2] for line in lines if line.startswith(heads))
