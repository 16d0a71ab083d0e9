"""`python -m loadtests run`: one load test in a folder of its own. What it starts it stops, its folder it removes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from loadtests.load import LoadRun
from loadtests.processes import Processes, ProcessFailed
from loadtests.testbed import Testbed

if TYPE_CHECKING:
    from argparse import Namespace


def run(arguments: Namespace) -> int:
    """Run one load test and print its figures: 0 when it could measure, 1 when it could not, 130 for Ctrl-C."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(arguments.keep or mkdtemp(prefix="redrive-loadtest-")).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    seed = arguments.seed if arguments.seed is not None else int.from_bytes(os.urandom(3))
    try:
        with Processes(folder) as processes:
            result = LoadRun(Testbed(processes), arguments.seconds, arguments.users, seed).play()
    except (ProcessFailed, OSError) as error:
        print(f"could not measure: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        if not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(result.as_data()) if arguments.json else result.as_text())
    return 0 if result.measured else 1
