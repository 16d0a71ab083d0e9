"""The error tree: each class carries its values and says what to do next. Foreign errors become these at the edge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class RedriveError(Exception):
    """The root of every error that Redrive raises on purpose."""


class SettingsInvalid(RedriveError):
    """A setting that cannot be used: names the variable, what was expected and what came."""


class NotFound(RedriveError):
    """Nothing of that kind has that id."""

    def __init__(self, kind: str, key: str) -> None:
        super().__init__(f"expected the id of a known {kind}, got {key!r}; list what there is and use an id from there")
        self.kind = kind
        self.key = key


class Conflict(RedriveError):
    """The request was decided on a state that is no longer the state."""


class Outdated(Conflict):
    """The request was decided on another revision than the present one; `changes` tell what came between, newest first.

    Each change is a mapping as JSON has it: at, actor, verb, reason, before, after, revision.
    """

    def __init__(self, why: str, revision: int, changes: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(why)
        self.revision = revision
        self.changes = changes


class IllegalTransition(RedriveError):
    """A state machine was asked for a step that its table does not have."""

    def __init__(self, state: str, step: str) -> None:
        super().__init__(f"expected a step that {str(state)!r} allows, got {str(step)!r}")


class InvalidPlan(RedriveError):
    """A plan that cannot be carried out as it was given."""


class Invalid(RedriveError):
    """A request that cannot be carried out as it was given, whatever the state."""


class DependencyUnreachable(RedriveError):
    """Something that Redrive leans on did not answer: the bus, StackStorm, a database, a sink."""

    says = "cannot be reached"
    what_next = "what waits for it is kept and tried again"

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what} {self.says}: {why}; {self.what_next}")
        self.what = what


class Unauthorised(DependencyUnreachable):
    """It does not let us in: the key, or the user and the password, are not the ones that it knows."""

    says = "does not let us in"
    what_next = "check the key, or the user and the password, in the settings; what waits for it is kept"


class Refused(DependencyUnreachable):
    """It answered that it will not do this: a bad request, something unknown, a place that has moved."""

    says = "refuses"
    what_next = "check that both sides are of one version and the packs registered; what waits for it is kept"


class TimedOut(DependencyUnreachable):
    """It was reached, and did not answer in time; whether it did what it was asked is not known."""

    says = "does not answer in time"


class CircuitOpen(DependencyUnreachable):
    """It failed so often in a row that it is left alone for a while: nothing was sent."""

    says = "is left alone for a while"


class Unroutable(RedriveError):
    """No queue takes this message, however often it is published: name a queue that exists."""


class NotRedrivable(Unroutable):
    """A message cannot be published again as things are: it is not whole, not to be opened, or too old."""


class Unstorable(RedriveError):
    """A database refuses these values for good: they break a type or a constraint of its tables."""

    def __init__(self, store: str, why: str) -> None:
        super().__init__(f"expected values that the {store} can hold, got: {why}; send it without the one at fault")
        self.store = store


class StaleEpoch(RedriveError):
    """The writer no longer leads the part it writes for; another process does, and the write was refused.

    `newest` is the epoch that was found instead, where that says what a later lead must exceed; 0 where it does not.
    """

    def __init__(self, why: str, newest: int = 0) -> None:
        super().__init__(why)
        self.newest = newest


class LogFull(RedriveError):
    """The event log holds as much as it may: telemetry is refused until the sinks have caught up."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"the event log is full; send again after {retry_after:.0f} s")
        self.retry_after = retry_after
