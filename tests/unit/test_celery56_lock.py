"""The lock of the older Celery, which the slow tests of the capture install."""

from __future__ import annotations

import re
from pathlib import Path

LOCK = (Path(__file__).parents[1] / "celery56.lock").read_text()
REQUIREMENTS = [line for line in LOCK.replace("\\\n", "").splitlines() if line.strip()]


def test_every_version_is_fixed_with_its_hashes() -> None:
    """With --require-hashes pip can install it, and it names no host and no option."""
    assert len(REQUIREMENTS) > 10
    wrong = [line for line in REQUIREMENTS if not re.match(r"[a-z0-9-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line)]
    assert wrong == []
    assert "://" not in LOCK


def test_it_is_celery_5_6() -> None:
    """Celery and kombu are of the older line, which this environment's are not."""
    versions = dict(line.split()[0].split("==") for line in REQUIREMENTS)
    assert versions["celery"] == "5.6.3"
    assert versions["kombu"].startswith("5.6.")
