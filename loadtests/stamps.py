"""The lines that front, workers, provider and Locust leave behind, one event each, and what they say as values.

    sent ID BLOCK INTENDED SENT CONTEXT_TOKENS GENERATED_TOKENS MALFORMED    the front, for each call it enqueued
    received ID ATTEMPT RECEIVED FOR                                         a worker's parent, for each message
    accepted ID ATTEMPT RECEIVED FOR                                         the same, once a child has taken it
    began ID ATTEMPT RECEIVED AT PID                                         a worker's child
    ended ID ATTEMPT RECEIVED AT STATE INSIDE                                the same
    delayed ID ATTEMPT RECEIVED FOR                                          both: how long of it they had no processor
    asked AT ID ATTEMPT STATUS TROUBLE TOKENS_IN TOKENS_OUT                  the provider, for each request it answered
    answered AT SECONDS WELL NAME...                                         Locust, for each request of a user
    accepted-event ID                                                        Locust, for each event with a receipt

Moments are seconds of the monotonic clock, durations are seconds. ATTEMPT is '-' for a first run. RECEIVED ties the
lines of one delivery together: a message that is delivered twice has two. Lines are written whole, so that processes
may share a file; a reader leaves a last line alone that is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from loadtests.evidence import Answered, Asked, Call, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

T = TypeVar("T")

NOTHING: Final = "-"
# The state of a run that was none: the plugin saw that this attempt had ended before.
SKIPPED: Final = "SKIPPED"
FIELDS: Final = {
    "sent": 7,
    "received": 4,
    "accepted": 4,
    "began": 5,
    "ended": 6,
    "delayed": 4,
    "asked": 7,
    "answered": 4,
    "accepted-event": 1,
}


class StampError(ValueError):
    """A line that is no stamp: says what was expected, and shows the line."""


def line(kind: str, *fields: object) -> str:
    """Make a line, with its end; a float has a tenth of a microsecond, an empty field is '-'."""
    return " ".join([kind, *map(_text, fields)]) + "\n"


def _text(field: object) -> str:
    if isinstance(field, bool):
        return "1" if field else "0"
    if isinstance(field, float):
        return f"{field:.7f}"
    return NOTHING if field is None or field == "" else str(field)


def read_lines(path: Path) -> list[str]:
    """Read the whole lines of a file; none where there is no file yet."""
    return Tail(path).new()


@dataclass(slots=True)
class Tail:
    """A file that others add to, read a piece at a time from its beginning."""

    path: Path
    _read: int = 0

    def new(self) -> list[str]:
        """Give the lines that have come since the last look; one that is being written now comes with the next."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._read)
                piece = file.read()
        except FileNotFoundError:
            return []
        whole = piece[: piece.rfind(b"\n") + 1]
        self._read += len(whole)
        return whole.decode(errors="backslashreplace").splitlines()


def calls_of(lines: Iterable[str], seconds_per_token: float) -> list[Call]:
    """Read what the front enqueued, in its order; raises StampError."""

    def call(task_id: str, block: str, intended: str, sent: str, _: str, generated: str, malformed: str) -> Call:  # noqa: PLR0913, PLR0917 - the fields of a line
        named, seconds = ("" if block == NOTHING else block), int(generated) * seconds_per_token
        return Call(task_id, named, float(intended), float(sent), seconds, _flag(malformed))

    return list(_values(lines, {"sent": call}))


def asked_of(lines: Iterable[str]) -> list[Asked]:
    """Read what the provider was asked and answered, in its order; raises StampError."""

    def asked(at: str, task_id: str, attempt: str, status: str, trouble: str, tokens_in: str, out: str) -> Asked:  # noqa: PLR0913, PLR0917 - the fields of a line
        return Asked(float(at), task_id, attempt, int(status), trouble, int(tokens_in), int(out))

    return list(_values(lines, {"asked": asked}))


def answered_of(lines: Iterable[str]) -> list[Answered]:
    """Read the requests of Locust's users, in the order in which they were answered; raises StampError."""

    def answered(at: str, seconds: str, well: str, name: str) -> Answered:
        return Answered(float(at), name, float(seconds), _flag(well))

    return list(_values(lines, {"answered": answered}))


def accepted_of(lines: Iterable[str]) -> list[str]:
    """Read the ids of the events that Locust's producer has receipts for; raises StampError."""

    def accepted(event_id: str) -> str:
        return event_id

    return list(_values(lines, {"accepted-event": accepted}))


def _values(lines: Iterable[str], made_by: Mapping[str, Callable[..., T]]) -> Iterator[T]:
    """Make a value of each line of these kinds, passing over the other kinds."""
    for text in lines:
        kind, _, rest = text.rstrip().partition(" ")
        if kind not in FIELDS:
            raise StampError(f"expected a line that begins with one of {', '.join(FIELDS)}, got {text!r}")
        if kind in made_by:
            try:
                yield made_by[kind](*rest.split(maxsplit=FIELDS[kind] - 1))
            except (TypeError, ValueError) as error:
                raise StampError(f"expected {FIELDS[kind]} fields after {kind!r}, got {text!r}: {error}") from error


def _flag(text: str) -> bool:
    if text not in {"0", "1"}:
        raise ValueError(f"expected 0 or 1, got {text!r}")
    return text == "1"


@dataclass(slots=True)
class _Delivery:
    """One delivery of a message, as far as its lines have come."""

    id: str
    attempt: str
    received: str
    received_for: float | None = None
    began: float | None = None
    ended: float | None = None
    state: str | None = None
    inside: float | None = None
    delayed: float = 0.0

    def took(self, seconds: str) -> None:
        """Add what the worker's parent did for it."""
        self.received_for = (self.received_for or 0.0) + float(seconds)

    def begin(self, at: str, _pid: str) -> None:
        """Note that a child has it."""
        self.began = float(at)

    def end(self, at: str, state: str, inside: str) -> None:
        """Note its end."""
        self.ended, self.state, self.inside = float(at), state, float(inside)

    def wait(self, seconds: str) -> None:
        """Add what child or parent waited for a processor."""
        self.delayed += float(seconds)

    def as_run(self) -> Run:
        """Give it as evidence."""
        received = None if self.received == NOTHING else float(self.received)
        moments = received, self.began, self.ended
        return Run(self.id, self.attempt, *moments, self.state, self.inside, self.received_for, self.delayed)


def runs_of(lines: Iterable[str]) -> list[Run]:
    """Read the runs in the workers, a message delivered twice as two; in the order of their first lines.

    A run whose child was killed has no end, one that a parent held when it was killed no beginning. Raises StampError.
    """
    found: dict[tuple[str, ...], _Delivery] = {}

    def noted(note: Callable[..., None]) -> Callable[..., None]:
        def take(task_id: str, attempt: str, received: str, *rest: str) -> None:
            key = (task_id, attempt, received)
            note(found.setdefault(key, _Delivery(*key)), *rest)

        return take

    notes = {
        "received": noted(_Delivery.took),
        "accepted": noted(_Delivery.took),
        "began": noted(_Delivery.begin),
        "ended": noted(_Delivery.end),
        "delayed": noted(_Delivery.wait),
    }
    for _ in _values(lines, notes):
        pass
    return [each.as_run() for each in found.values()]
