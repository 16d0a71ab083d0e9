"""Names every installed distribution that the server does not need, one a line: the image leaves them out."""  # noqa: INP001 - a program of the build, in no package

from __future__ import annotations

import sys
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# Redis is a bus and a result backend of the worker; Celery names no extra for it here.
KEPT = ("redrive[server]", "redis")


def needed() -> set[str]:
    """Walk the requirements of what is kept, their extras too, as far as they are installed."""
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [Requirement(line) for line in KEPT]
    while waiting:
        each = waiting.pop()
        step = canonicalize_name(each.name), frozenset(each.extras)
        if step in seen:
            continue
        seen.add(step)
        waiting += required(each)
    return {name for name, _ in seen}


def required(wanted: Requirement) -> list[Requirement]:
    """List what one distribution requires here, with the extras that are asked for."""
    try:
        lines = metadata.requires(wanted.name) or []
    except metadata.PackageNotFoundError:
        return []
    found = [Requirement(line) for line in lines]
    extras = ["", *wanted.extras]
    return [
        each for each in found if not each.marker or any(each.marker.evaluate({"extra": extra}) for extra in extras)
    ]


def main() -> None:
    """Print the names."""
    installed = {canonicalize_name(each.name) for each in metadata.distributions()}
    sys.stdout.writelines(f"{name}\n" for name in sorted(installed - needed() - {"pip"}))


if __name__ == "__main__":
    main()
