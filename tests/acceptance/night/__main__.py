"""Plays the night: `python -m tests.acceptance.night [--failures N] [--fed N] [--keep FOLDER] [--write FILE]`."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from tests.acceptance.night.figures import expect_all
from tests.acceptance.night.night import Night
from tests.acceptance.night.page import figures, page, table
from tests.acceptance.night.walk import Walk

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

SECONDS = 1_200.0


def main() -> int:
    """Play it, check it, tell it."""
    parser = argparse.ArgumentParser(description="A night with so many failed tasks, and a person's way out of it")
    parser.add_argument("--failures", type=int, default=40_000, help="a multiple of 40")
    parser.add_argument("--fed", type=int, default=0, help="so many are told of and never ran")
    parser.add_argument("--write", type=Path, help="the page to write")
    parser.add_argument("--keep", type=Path, help="an empty folder to play it in, which is left as it is then")
    options = parser.parse_args()
    if options.keep and options.keep.exists() and any(options.keep.iterdir()):
        parser.error(f"expected an empty folder to keep it in, got {options.keep}; name another")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # all that was started is stopped on the way out
    with (
        _folder(options.keep) as folder,
        Night(Path(folder), options.failures, fed=options.fed, paged=True) as night,
    ):
        night.break_out(SECONDS)
        walk = Walk(night)
        walk.go()
        sys.stdout.writelines(f"{line}\n" for line in table(figures(walk)))
        sys.stdout.flush()
        expect_all(walk)
        if options.write:
            options.write.write_text(page(walk))
    return 0


def _folder(keep: Path | None) -> AbstractContextManager[Path | str]:
    """Give where it is played; what is not to be kept goes with the end."""
    if keep is None:
        return tempfile.TemporaryDirectory(prefix="redrive-night-")
    keep.mkdir(parents=True, exist_ok=True)
    return nullcontext(keep.absolute())


if __name__ == "__main__":
    sys.exit(main())
