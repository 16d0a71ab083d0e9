"""The `redrive` command; in a base install, which is a worker's, it names what is missing."""

from __future__ import annotations

import sys

OWN = frozenset({"eventbus", "loadtests", "orchestrator"})
USAGE = 2


def main() -> int:
    """Run the command line; gives 2 where a library of the extra `server` is not installed."""
    try:
        from orchestrator.cli import app  # noqa: PLC0415 - a base install lacks what this imports, and has to say so

        app()
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in OWN or not missing:
            raise
        advice = "install it with: pip install 'redrive[server]'"
        print(f"redrive: expected the library {missing!r}, got a base install; {advice}", file=sys.stderr)  # noqa: T201 - no other way to speak is installed
        return USAGE
    return 0


if __name__ == "__main__":
    sys.exit(main())
