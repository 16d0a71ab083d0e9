"""Where a report's figures come from: which code, on which machine, with which versions. No names of machines."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import psutil

# What a figure can hang on: the product, what it stands on, and what loads it.
DISTRIBUTIONS: Final = (
    "redrive", "celery", "kombu", "locust", "sqlalchemy", "psycopg", "redis", "fastapi", "uvicorn",
    "opentelemetry-sdk", "rudder-sdk-python", "pybreaker", "st2client",
)  # fmt: skip
GIT_SECONDS: Final = 10
CPUINFO: Final = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Code:
    """The commit that was run; `dirty` where the checkout differs from it. Both None outside a checkout."""

    commit: str | None
    dirty: bool | None


def code(folder: Path | None = None) -> Code:
    """Ask git for the commit of the checkout that the folder is the top of, by default this package's.

    A package that is installed somewhere inside another checkout has no commit. New modules make a checkout dirty too.
    """
    here = folder or Path(__file__).parents[2]
    top = _git(here, "rev-parse", "--show-toplevel")
    commit = _git(here, "rev-parse", "HEAD")
    if commit is None or top is None or Path(top) != here.resolve():
        return Code(None, None)
    changed = _git(here, "status", "--porcelain", "--untracked-files=no")
    added = _git(here, "ls-files", "--others", "--exclude-standard", "--", "*.py")
    return Code(commit, None if changed is None or added is None else bool(changed or added))


def machine() -> dict[str, Any]:
    """Tell what a figure of one machine needs to be held beside another's; `kind` is all of it in one line."""
    cores, memory = len(os.sched_getaffinity(0)), psutil.virtual_memory().total
    cpu, system, python = processor(), platform.system(), platform.python_version()
    kind = f"{cores} cores, {memory / 2**30:.0f} GB, {cpu}, {system}, Python {python.rpartition('.')[0]}"
    return {
        "cores": cores,
        "memory_bytes": memory,
        "cpu": cpu,
        "system": f"{system} {platform.release()}",
        "python": python,
        "kind": kind,
    }


def processor(cpuinfo: Path = CPUINFO) -> str:
    """Name the processor's model; its architecture where the system does not tell."""
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, "") or platform.machine()


def versions() -> dict[str, str]:
    """Give the versions of what the figures hang on, of those that are installed."""
    found = {"python": platform.python_version()}
    for name in DISTRIBUTIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _git(folder: Path, *arguments: str) -> str | None:
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "-C", str(folder), *arguments]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=GIT_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
