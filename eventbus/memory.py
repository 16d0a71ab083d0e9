"""Whom the kernel killed for want of memory, as the worker's control group counts them (Linux, cgroup v2 and v1)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from eventbus.answers import SEEN

OUT_OF_MEMORY: Final = "oom_kill"
CGROUP: Final = Path("/proc/self/cgroup")
ROOT: Final = Path("/sys/fs/cgroup")
_KILLED: Final = "signal 9"


class KernelKills:
    """The kernel's count of killed processes, and whether it has grown since it was last read.

    It counts every process of the worker's control group: of a program that a task ran, too. Where nothing counts,
    nothing is said.
    """

    def __init__(self, counter: Path | None = None) -> None:
        self._counter = counter or counter_of(CGROUP, ROOT)
        self._seen = self._count()

    def witness(self, error: BaseException) -> None:
        """Note on the loss of a child that SIGKILL ended whether the kernel has killed one since the last loss."""
        seen, self._seen = self._seen, self._count()
        if _KILLED in str(error) and seen is not None and self._seen is not None and self._seen > seen:
            setattr(error, SEEN, OUT_OF_MEMORY)

    def _count(self) -> int | None:
        try:
            lines = self._counter.read_text().splitlines() if self._counter else []
            return next((int(line.split()[1]) for line in lines if line.split()[:1] == [OUT_OF_MEMORY]), None)
        except (OSError, ValueError, IndexError):
            return None


def counter_of(cgroup: Path, root: Path) -> Path | None:
    """Find the file that counts, by what /proc/self/cgroup says; within a container the group is the root itself."""
    try:
        lines = [line.split(":", 2) for line in cgroup.read_text().splitlines()]
    except OSError:
        return None
    groups = {names: path.lstrip("/") for _, names, path in (line for line in lines if len(line) == 3)}  # noqa: PLR2004 - number, names, path
    v2, v1 = groups.get(""), groups.get("memory")
    places = [root / v2 / "memory.events", root / "memory.events"] if v2 is not None else []
    if v1 is not None:
        places += [root / "memory" / v1 / "memory.oom_control", root / "memory" / "memory.oom_control"]
    return next((each for each in places if each.is_file()), None)
