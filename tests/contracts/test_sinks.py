"""What every sink must do, on each that is shipped with what is behind it, and on the one that docs/sinks.md shows."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import orjson
import pytest
import requests
import sqlalchemy as sa

from eventbus.wire import LLM_CALL, SPAN_ENDED, Event
from orchestrator.domain.events import NO_PRICE, Deferred, EventRecord, Refusal, Rejected
from orchestrator.sinks.cloudevents import CloudEventsSink
from orchestrator.sinks.conformance import NOON, Destination, SinkConformance, record_of
from orchestrator.sinks.file import FileSink
from orchestrator.sinks.memory import MemorySink
from orchestrator.sinks.otlp import OtlpSink
from orchestrator.sinks.rudderstack import RudderStackSink
from orchestrator.sinks.warehouse import WarehouseSink
from orchestrator.warehouse.schema import STORE, migrate, model_cost_logs
from tests.collector import collector
from tests.gateway import WRITE_KEY, dataplane
from tests.receiver import receiver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.collector import Collector
    from tests.receiver import Receiver

PAGE = Path(__file__).parents[2] / "docs/sinks.md"


class Memory(Destination):
    """The in-memory sink, told what to answer."""

    def __init__(self) -> None:
        self.sink: MemorySink = MemorySink("memory", [LLM_CALL])

    def arrived(self) -> list[str]:
        """List what it kept."""
        return [str(event.record.key) for event in self.sink.events]

    def refuse(self, record: EventRecord, seq: int) -> EventRecord:
        """Tell it to reject."""
        self.sink.answer_next(Rejected({seq: Refusal("poison")}))
        return record

    def fail(self) -> None:
        """Tell it to defer."""
        self.sink.answer_next(Deferred("down"))

    def mend(self) -> None:
        """Leave it: one batch alone was to be deferred."""


class Warehouse(Destination):
    """The warehouse in a real database."""

    def __init__(self, url: str) -> None:
        migrate(url)
        self.sink: WarehouseSink = WarehouseSink(url)
        self._engine = STORE.open(url)

    def arrived(self) -> list[str]:
        """List the rows."""
        with self._engine.connect() as connection:
            return list(connection.execute(sa.select(model_cost_logs.c.id)).scalars())

    def refuse(self, record: EventRecord, seq: int) -> EventRecord:  # noqa: ARG002 - the port's own
        """Make a call without a provider."""
        return _with_body(record, b'{"data": {"gen_ai.request.model": "m"}}')

    def fail(self) -> None:
        """Take the table away."""
        self._rename("model_cost_logs", "gone")

    def mend(self) -> None:
        """Put it back."""
        self._rename("gone", "model_cost_logs")

    def _rename(self, old: str, new: str) -> None:
        with self._engine.begin() as connection:
            connection.execute(sa.text(f"ALTER TABLE {old} RENAME TO {new}"))

    def close(self) -> None:
        """Close both engines."""
        self.sink.close()
        self._engine.dispose()


class RudderStack(Destination):
    """RudderStack as the local data plane plays it."""

    def __init__(self, url: str) -> None:
        self.sink = RudderStackSink(url, WRITE_KEY, 10.0)
        self._url = url

    def arrived(self) -> list[str]:
        """List the deliveries."""
        listed = requests.get(f"{self._url}/messages", params={"limit": "1000"}, timeout=10).json()
        return [each["message"]["messageId"] for each in listed]

    def refuse(self, record: EventRecord, seq: int) -> EventRecord:  # noqa: ARG002 - the port's own
        """Make an event larger than the gateway takes."""
        return _with_body(record, b'{"data": {"task_id": "%s"}}' % (b"x" * 4_100_000))

    def fail(self) -> None:
        """Take the write key away."""
        self.sink = RudderStackSink(self._url, "revoked", 10.0)

    def mend(self) -> None:
        """Give it back."""
        self.sink = RudderStackSink(self._url, WRITE_KEY, 10.0)


class Traces(Destination):
    """A collector; the trace of each sample is its key."""

    def __init__(self, server: Collector) -> None:
        self.sink = OtlpSink(server.url, {"service.name": "redrive"}, {}, 10.0)
        self._server = server

    def sample(self, number: int) -> EventRecord:
        """Make a span of user code."""
        key = uuid4()
        data = {
            "name": f"step {number}", "trace_id": key.hex, "span_id": key.hex[:16], "started_at": NOON.isoformat(),
            "duration_seconds": 0.25, "status": "ok",
        }  # fmt: skip
        return record_of(Event(str(key), "urn:redrive:test", SPAN_ENDED, NOON, data), NO_PRICE)

    def arrived(self) -> list[str]:
        """List the traces of what was taken."""
        return [str(UUID(span.trace_id)) for span in self._server.taken]

    def fail(self) -> None:
        """Have it answer 503."""
        self._server.status = 503

    def mend(self) -> None:
        """Have it answer 200."""
        self._server.status = 200


class Posted(Destination):
    """A receiver of CloudEvents, which refuses what asks for it."""

    def __init__(self, server: Receiver, *, single: bool) -> None:
        self.sink = CloudEventsSink(server.url, [LLM_CALL], {"X-Key": "k"}, 10.0, single=single)
        self._server = server
        server.reply = self._reply
        self._down = False

    def _reply(self, events: list[dict[str, Any]]) -> int:
        if self._down:
            return 503
        return 400 if any("refuse" in each["data"] for each in events) else 204

    def arrived(self) -> list[str]:
        """List the ids of what was taken."""
        return [each["id"] for each in self._server.taken]

    def refuse(self, record: EventRecord, seq: int) -> EventRecord:  # noqa: ARG002 - the port's own
        """Make an event that the receiver refuses."""
        return _with_body(record, orjson.dumps({**orjson.loads(record.body), "data": {"refuse": True}}))

    def fail(self) -> None:
        """Have it answer 503."""
        self._down = True

    def mend(self) -> None:
        """Have it answer again."""
        self._down = False


class Folder(Destination):
    """A folder of JSON lines, so small a file that some are packed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "events"
        self.sink: FileSink = FileSink(self._folder, [LLM_CALL], rotate_bytes=4_000)

    def arrived(self) -> list[str]:
        """List the keys of all lines, of packed files too."""
        self.sink.close()
        packed = [gzip.decompress(each.read_bytes()) for each in self._folder.glob("*.gz")]
        plain = [each.read_bytes() for each in self._folder.glob("*.jsonl")]
        return [orjson.loads(line)["key"] for text in packed + plain for line in text.splitlines()]

    def fail(self) -> None:
        """Put a file where the folder should be."""
        self._folder.write_text("in the way")

    def mend(self) -> None:
        """Take it away."""
        self._folder.unlink()


def example(heading: str) -> str:
    """Give the Python code that stands in the page under a heading."""
    section = PAGE.read_text().partition(f"## {heading}\n")[2]
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert found, heading
    return found[1]


class Example(Destination):
    """The sink that docs/sinks.md shows, as it stands there."""

    def __init__(self, folder: Path) -> None:
        module: dict[str, Any] = {}
        exec(compile(example("A sink of your own"), str(PAGE), "exec"), module)  # noqa: S102 - our own page
        self._file = folder / "costs.sqlite"
        self.sink = module["Costs"]("costs", file=str(self._file))

    def arrived(self) -> list[str]:
        """List the rows, of which there are none before the first batch."""
        engine = sa.create_engine(f"sqlite:///{self._file}")
        with engine.connect() as connection:
            if not sa.inspect(connection).has_table("costs"):
                return []
            return list(connection.execute(sa.text("SELECT key FROM costs")).scalars())

    def refuse(self, record: EventRecord, seq: int) -> EventRecord:  # noqa: ARG002 - the port's own
        """Make a call without a model, which its table does not take."""
        return _with_body(record, b'{"data": {}}')

    def fail(self) -> None:
        """Put a folder where its file should be."""
        self._file.mkdir()

    def mend(self) -> None:
        """Take it away."""
        self._file.rmdir()


def _with_body(record: EventRecord, body: bytes) -> EventRecord:
    return EventRecord(record.key, record.id, record.source, record.type, record.time, record.lane, body)


@contextmanager
def _opened(kind: str, folder: Path, request: pytest.FixtureRequest) -> Iterator[Destination]:
    if kind == "rudderstack":
        with dataplane(folder) as server:
            yield RudderStack(server.url)
    elif kind == "otlp":
        with collector() as traces:
            yield Traces(traces)
    elif kind.startswith("cloudevents"):
        with receiver() as events:
            yield Posted(events, single="single" in kind)
    elif kind.startswith("warehouse"):
        sqlite = f"sqlite:///{folder}/warehouse.sqlite"
        made = Warehouse(sqlite if "sqlite" in kind else request.getfixturevalue("postgres"))
        yield made
        made.close()
    else:
        yield {"memory": lambda _: Memory(), "file": Folder, "the page's": Example}[kind](folder)


KINDS = [
    "memory",
    "warehouse on sqlite",
    "warehouse on postgresql",
    "rudderstack",
    "otlp",
    "cloudevents in batches",
    "cloudevents single",
    "file",
    "the page's",
]


class TestSinks(SinkConformance):
    """The shipped suite, on each sink."""

    @pytest.fixture(params=KINDS)
    def destination(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Destination]:
        """Give each sink with what is behind it."""
        with _opened(request.param, tmp_path, request) as made:
            yield made


def test_the_page_keeps_its_word(tmp_path: Path) -> None:
    """The sink that the page shows has at most 40 lines, and passes the check that the page shows, run as it says."""
    sink = example("A sink of your own")
    assert len(sink.splitlines()) <= 40
    (tmp_path / "our_sinks.py").write_text(sink)
    (tmp_path / "test_our_sinks.py").write_text(example("Checking it"))
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    checked = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_our_sinks.py"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    environ = kept | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(PAGE.parents[1])])}
    done = subprocess.run(checked, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "9 passed" in done.stdout


class _Losing(MemorySink):
    def deliver(self, batch: Any) -> Any:  # noqa: ANN401 - a sink that is wrong
        return super().deliver(batch[:-1])


class _Raising(MemorySink):
    def deliver(self, batch: Any) -> Any:  # noqa: ANN401, ARG002 - as above
        raise OSError("away")


@pytest.mark.parametrize(
    ("wrong", "check"),
    [(_Losing, "test_a_delivered_batch_has_arrived"), (_Raising, "test_a_destination_that_fails_defers_the_batch")],
)
def test_the_suite_finds_a_sink_that_is_wrong(wrong: type[MemorySink], check: str) -> None:
    """One that loses an event, and one that raises, are told."""
    destination = Memory()
    destination.sink = wrong("memory", [LLM_CALL])
    with pytest.raises((AssertionError, OSError)):
        getattr(SinkConformance(), check)(destination)
