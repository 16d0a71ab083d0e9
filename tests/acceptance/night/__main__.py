"""Plays the night and writes it down: `python -m tests.acceptance.night [--failures N] [--write docs/night.md]`."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from tests.acceptance.night.figures import expect_all
from tests.acceptance.night.night import Night
from tests.acceptance.night.page import figures, page
from tests.acceptance.night.walk import Walk

SECONDS = 1_200.0


def main() -> int:
    """Play it, check it, tell it."""
    parser = argparse.ArgumentParser(description="A night with so many failed tasks, and a person's way out of it")
    parser.add_argument("--failures", type=int, default=40_000, help="a multiple of 40")
    parser.add_argument("--fed", type=int, default=0, help="so many are told of and never ran")
    parser.add_argument("--write", type=Path, help="the page to write")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # all that was started is stopped on the way out
    with (
        tempfile.TemporaryDirectory(prefix="redrive-night-") as folder,
        Night(Path(folder), options.failures, fed=options.fed) as night,
    ):
        night.break_out(SECONDS)
        walk = Walk(night)
        walk.go()
        expect_all(walk)
        sys.stdout.writelines(f"{value:>20}  {name}\n" for name, value in figures(walk).items())
        if options.write:
            options.write.write_text(page(walk))
    return 0


if __name__ == "__main__":
    sys.exit(main())
