"""The page docs/ingest.md: its commands work as they stand."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pytest

from orchestrator.domain.events import Lane

if TYPE_CHECKING:
    from tests.unit.orchestrator.api.conftest import Served

PAGE = (Path(__file__).parents[4] / "docs" / "ingest.md").read_text()
BLOCKS = re.findall(r"^```bash\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.skipif(shutil.which("curl") is None, reason="the page's commands are curl's, which is not installed")
def test_the_commands_of_the_page_work(api: Served) -> None:
    """Pasted in their order they are answered as the page says; what is good of each is in the log."""
    answers = []
    for block in BLOCKS:
        command = block.replace("http://127.0.0.1:8400", api.url).replace("$WRITE_KEY", "any")
        answers.append(subprocess.run(["sh", "-c", command], capture_output=True, check=True, timeout=60).stdout)
    one, many, bound, messages = answers
    assert one == b'{"id":"order-17","source":"urn:shop","status":"accepted"}'
    assert f"`{one.decode()}`" in PAGE
    assert [each["status"] for each in orjson.loads(many)["events"]] == ["accepted", "refused"]
    assert (orjson.loads(bound)["status"], messages) == ("accepted", b"OK")
    assert [each.record.id for each in api.scene.log.read(Lane.TELEMETRY, 0, 10)] == [
        "order-17", "order-18", "logo-1", "m-1"]  # fmt: skip
