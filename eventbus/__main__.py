"""`python -m eventbus lint APP`: what a worker's machine can run without the orchestrator."""

from __future__ import annotations

import sys

from eventbus.lint.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
