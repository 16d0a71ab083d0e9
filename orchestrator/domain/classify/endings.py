"""What the end of a run tells when no exception of the task's own does: kills, limits, messages nobody can read."""

from __future__ import annotations

import re
from typing import Final

from orchestrator.domain.classify.verdict import Case, Verdict
from orchestrator.domain.failures import Kind, Way

# billiard words it "signal 9 (SIGKILL)" and "exitcode 137"; a shell adds 128 to a signal's number.
_SIGNAL: Final = re.compile(r"signal (\d{1,3})\b")
_EXIT: Final = re.compile(r"exitcode (-?\d{1,5})\b")
SHELL_ADDS: Final = 128
LAST_SIGNAL: Final = 64
OUT_OF_MEMORY_CODE: Final = "oom_kill"
_KILLED: Final = frozenset({Way.CHILD_KILLED, Way.WORKER_KILLED})
_SIGNALS: Final = {
    1: ("SIGHUP", "it was told to stop"),
    2: ("SIGINT", "it was told to stop"),
    3: ("SIGQUIT", "it was told to stop at once"),
    4: ("SIGILL", "native code of the task crashed it"),
    6: ("SIGABRT", "native code of the task gave up"),
    7: ("SIGBUS", "native code of the task crashed it"),
    8: ("SIGFPE", "native code of the task crashed it"),
    9: ("SIGKILL", "somebody killed it, or the kernel did for want of memory"),
    11: ("SIGSEGV", "native code of the task crashed it"),
    15: ("SIGTERM", "it was told to stop"),
}
_CPU_TIME: Final = 24


def by_memory(case: Case) -> Verdict | None:
    """Know a process that the kernel killed for want of memory, where the worker saw the kernel count it."""
    if case.captured not in _KILLED or case.facts.code != OUT_OF_MEMORY_CODE:
        return None
    return Verdict(Kind.RESOURCE, "the kernel killed its worker process for want of memory")


def by_signal(case: Case) -> Verdict | None:
    """Read by which signal a worker process died.

    SIGKILL alone does not tell who sent it: the run is tried once more, alone; a second kill is poison.
    """
    number = signal_of(case.facts.message) if case.captured in _KILLED else None
    if number == _CPU_TIME:
        return Verdict(Kind.RESOURCE, "its worker process used up the processor time it may have (SIGXCPU)")
    if number not in _SIGNALS:
        return None
    name, why = _SIGNALS[number]
    return Verdict(Kind.WORKER_LOST, f"its worker process was killed while it ran ({name}: {why})")


def signal_of(message: str) -> int | None:
    """Give the number of the signal that a WorkerLostError's message tells of, None where it tells of none."""
    if found := _SIGNAL.search(message):
        return int(found[1])
    if (left := _EXIT.search(message)) is None:
        return None
    code = int(left[1])
    number = -code if code < 0 else code - SHELL_ADDS
    return number if 0 < number <= LAST_SIGNAL else None


def by_way(case: Case) -> Verdict | None:
    """Know what each way of ending means; a plain exception tells nothing by its way."""
    return _WAYS.get(case.captured)


_WAYS: Final = {
    Way.CHILD_KILLED: Verdict(Kind.WORKER_LOST, "its worker process was killed while it ran"),
    Way.WORKER_KILLED: Verdict(Kind.WORKER_LOST, "its worker was killed while it ran"),
    Way.ORPHANED: Verdict(Kind.WORKER_LOST, "its worker is gone, and nobody else has it"),
    Way.SYSTEM_EXIT: Verdict(Kind.WORKER_LOST, "it ended its worker process (SystemExit)"),
    Way.COLD_SHUTDOWN: Verdict(Kind.WORKER_LOST, "its worker was shut down while it ran"),
    Way.TIME_LIMIT: Verdict(Kind.RESOURCE, "it ran longer than its hard time limit"),
    Way.MEMORY_ERROR: Verdict(Kind.RESOURCE, "it ran out of memory"),
    Way.UNKNOWN_TASK: Verdict(Kind.PERMANENT, "no task of that name is registered in the worker"),
    Way.EXPIRED: Verdict(Kind.PERMANENT, "it expired before it was run"),
    Way.REFUSED: Verdict(Kind.POISON, "the worker refused the message: its content type or its headers"),
    Way.UNDECODABLE: Verdict(Kind.POISON, "the message's body cannot be decoded"),
    Way.DELIVERY_LIMIT: Verdict(Kind.POISON, "the broker gave it up: it was delivered as often as its queue allows"),
}
