"""The sinks that the event log knows by name, whether or not the settings of an orchestrator still name them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from orchestrator.domain.events import Lane

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


class Subscribers(Protocol):
    """Who holds the log's events back until it has got them. Each call raises DependencyUnreachable."""

    def names(self) -> Sequence[str]:
        """List, by name, every sink that has subscribed and was not forgotten."""

    def knows(self, sink: str) -> bool:
        """Tell whether the log keeps anything of a sink that makes it another one than a new one."""

    def forget(self, sink: str, now: datetime) -> None:
        """Remove, in one commit, all that the log keeps of a sink; one of that name that comes later is a new one.

        Replays that had nothing else to send end. What was held against its store stays, as a record of that.
        """


def relay_part(sink: str, lane: Lane) -> str:
    """Name the part that forwards a lane to a sink, by which one process at a time leads it."""
    return f"relay-{sink}-{lane}"


def replay_part(sink: str) -> str:
    """Name the part that sends events again to a sink."""
    return f"replay-{sink}"


def parts_of(sink: str) -> Sequence[str]:
    """Name every part by which an orchestrator serves a sink."""
    return (*(relay_part(sink, lane) for lane in Lane), replay_part(sink))
