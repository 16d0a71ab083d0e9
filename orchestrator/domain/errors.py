"""The error tree: each class carries its values and says what to do next. Foreign errors become these at the edge."""

from __future__ import annotations


class RedriveError(Exception):
    """The root of every error that Redrive raises on purpose."""


class NotFound(RedriveError):
    """Nothing of that kind has that id."""

    def __init__(self, kind: str, key: str) -> None:
        super().__init__(f"expected the id of a known {kind}, got {key!r}; list what there is and use an id from there")
        self.kind = kind
        self.key = key


class Conflict(RedriveError):
    """The request was decided on a state that is no longer the state."""


class IllegalTransition(RedriveError):
    """A state machine was asked for a step that its table does not have."""

    def __init__(self, state: str, step: str) -> None:
        super().__init__(f"expected a step that {str(state)!r} allows, got {str(step)!r}")


class InvalidPlan(RedriveError):
    """A plan that cannot be carried out as it was given."""


class DependencyUnreachable(RedriveError):
    """Something that Redrive leans on did not answer: the bus, StackStorm, a database, a sink."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what} cannot be reached: {why}; what waits for it is kept and tried again")
        self.what = what


class Unroutable(RedriveError):
    """No queue takes this message, however often it is published: name a queue that exists."""


class Unstorable(RedriveError):
    """A database refuses these values for good: they break a type or a constraint of its tables."""

    def __init__(self, store: str, why: str) -> None:
        super().__init__(f"expected values that the {store} can hold, got: {why}; send it without the one at fault")
        self.store = store


class StaleEpoch(RedriveError):
    """The writer no longer leads the part it writes for; another process does, and the write was refused."""


class LogFull(RedriveError):
    """The event log holds as much as it may: telemetry is refused until the sinks have caught up."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"the event log is full; send again after {retry_after:.0f} s")
        self.retry_after = retry_after
