"""The table of sinks: each mistake is told by its place, no secret is shown, and the single settings go on working."""

from __future__ import annotations

import json
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from eventbus import scrub
from eventbus.wire import LLM_CALL, SPAN_ENDED, TASK_FAILED
from orchestrator.bootstrap.sinks import USUAL, make_sinks
from orchestrator.domain.errors import SettingsInvalid
from orchestrator.domain.events import Deferred
from orchestrator.flows.batches import Limits
from orchestrator.settings import Settings, load
from orchestrator.sinks.memory import MemorySink
from orchestrator.sinks.otlp import OtlpSink
from orchestrator.sinks.rudderstack import RudderStackSink
from tests.events import record, stored

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.bootstrap.entries import SinkEntry

NEEDED = {
    "bus_url": "redrive+sqlite:////tmp/bus.sqlite",
    "ledger_url": "sqlite:////tmp/ledger.sqlite",
    "eventlog_url": "sqlite:////tmp/events.sqlite",
    "stackstorm_url": "http://127.0.0.1:9101",
}
SECRET = "s3cret-of-mine"
RUDDER = {"kind": "rudderstack", "url": "https://dataplane.example.com", "write_key": SECRET}

FILE = """
[sinks.acme]
kind = "rudderstack"
url = "https://dataplane.example.com"
write_key = "s3cret-of-mine"
organizations = ["acme"]
types = ["redrive.llm.call.v1", "redrive.span.ended.v1"]
sample = 0.25
batch = { events = 300, bytes = 2000000, linger = 1.5 }

[sinks.beta]
kind = "rudderstack"
url = "https://dataplane.example.com"
write_key_file = "FOLDER/key"
organizations = ["beta"]

[sinks.langfuse]
kind = "otlp"
url = "https://cloud.langfuse.com/api/public/otel"
headers.Authorization = "Basic cGs6c2s="

[sinks.archive]
kind = "file"
folder = "FOLDER/events"
rotate_bytes = 50000

[sinks.broker]
kind = "cloudevents"
url = "https://events.example.com/in"
mode = "single"
types = ["com.example.order.placed"]
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give what is needed in the environment, and nothing else; what this process knows of secrets is its own."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"REDRIVE_{name.upper()}", raising=False)
    for name, value in NEEDED.items():
        monkeypatch.setenv(f"REDRIVE_{name.upper()}", value)
    monkeypatch.setenv("REDRIVE_WAREHOUSE_URL", f"sqlite:///{tmp_path}/warehouse.sqlite")
    monkeypatch.setattr(scrub, "KNOWN", scrub.Scrubber())


def loaded(**tables: Any) -> Settings:
    """Load settings with these tables, as the environment gives them."""
    return load(sinks=json.dumps({name.replace("_", "-"): table for name, table in tables.items()}))


def made(settings: Settings) -> dict[str, SinkEntry]:
    """Make the sinks, by name."""
    return {entry.name: entry for entry in make_sinks(settings)}


def test_the_warehouse_is_always_there() -> None:
    """Without a table and without a single setting there is one sink, which takes all that it can."""
    (entry,) = make_sinks(load())
    assert (entry.name, entry.subscription.types) == ("warehouse", entry.sink.types)
    assert (entry.subscription.organizations, entry.subscription.sample, entry.limits) == (None, 1.0, Limits())


def test_the_single_settings_are_sinks_of_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """RudderStack and a collector that are named by single variables are there as they were."""
    monkeypatch.setenv("REDRIVE_RUDDERSTACK_URL", "http://127.0.0.1:8080")
    monkeypatch.setenv("REDRIVE_RUDDERSTACK_WRITE_KEY", SECRET)
    monkeypatch.setenv("REDRIVE_OTLP_URL", "http://127.0.0.1:4318")
    monkeypatch.setenv("REDRIVE_OTLP_HEADERS", "x-key=another-secret,x-plain=a=b")
    sinks = made(load())
    assert list(sinks) == ["warehouse", "rudderstack", "otlp"]
    assert [sinks[name].sink.types for name in ("rudderstack", "otlp")] == [RudderStackSink.types, OtlpSink.types]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RUDDERSTACK_WRITE_KEY", f"{SECRET}\u20ac"),
        ("OTLP_HEADERS", f"x-key={SECRET}\u20ac"),
        ("OTLP_HEADERS", f"x-plain=1,a b={SECRET}"),
        ("OTLP_HEADERS", f"={SECRET}"),
        ("OTLP_HEADERS", f"x-key={SECRET}\nx-other: 1"),
    ],
)
def test_a_single_setting_that_cannot_be_sent_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """No post could carry such a key or header: it is told at the start by its name, without the secret."""
    monkeypatch.setenv("REDRIVE_RUDDERSTACK_URL", "http://127.0.0.1:8080")
    monkeypatch.setenv("REDRIVE_RUDDERSTACK_WRITE_KEY", SECRET)
    monkeypatch.setenv("REDRIVE_OTLP_URL", "http://127.0.0.1:4318")
    monkeypatch.setenv(f"REDRIVE_{name}", value)
    with pytest.raises(SettingsInvalid, match=f"REDRIVE_{name}: ") as refused:
        load()
    assert SECRET not in str(refused.value)


def test_a_sink_of_ours_that_raises_holds_its_batch_back_and_says_why(tmp_path: Path) -> None:
    """A file of certificates that goes away after the start is told where the operator looks, as any refusal is."""
    (tmp_path / "ca.pem").touch()
    table = {"kind": "cloudevents", "url": "https://127.0.0.1:1", "ca_file": f"{tmp_path}/ca.pem"}
    entry = made(loaded(receiver=table))["receiver"]
    (tmp_path / "ca.pem").unlink()
    deferred = entry.sink.deliver(stored(record()))
    assert isinstance(deferred, Deferred)
    assert "receiver raised OSError" in deferred.reason


def test_only_a_warehouse_can_be_asked_what_it_holds() -> None:
    """The reconciliation asks a sink for keys; others have no such answer."""
    sinks = made(loaded(s=RUDDER))
    assert sinks["s"].held is None
    assert sinks["warehouse"].held is not None


def test_a_table_of_a_default_name_routes_what_the_single_settings_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """It need not repeat the URL and the key; what it says goes first."""
    monkeypatch.setenv("REDRIVE_RUDDERSTACK_URL", "http://127.0.0.1:8080")
    monkeypatch.setenv("REDRIVE_RUDDERSTACK_WRITE_KEY", SECRET)
    monkeypatch.setenv("REDRIVE_RUDDERSTACK_TIMEOUT", "3")
    settings = loaded(
        rudderstack={"kind": "rudderstack", "types": [LLM_CALL], "timeout": 7},
        warehouse={"kind": "warehouse", "organizations": ["acme"]},
    )
    table: Any = settings.all_sinks["rudderstack"]
    assert (table.place, table.write_key.get_secret_value(), table.timeout) == ("http://127.0.0.1:8080", SECRET, 7)
    sinks = made(settings)
    assert sinks["rudderstack"].subscription.types == {LLM_CALL}
    assert sinks["warehouse"].subscription.organizations == {"acme"}


def test_the_file_has_tables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Several sinks of a kind stand beside each other, each with its key, route and limits."""
    (tmp_path / "key").write_text("key-of-beta\n")
    path = tmp_path / "redrive.toml"
    path.write_text(FILE.replace("FOLDER", str(tmp_path)))
    monkeypatch.setenv("REDRIVE_SETTINGS_FILE", str(path))
    settings = load()
    sinks = made(settings)
    assert list(sinks) == ["warehouse", "acme", "beta", "langfuse", "archive", "broker"]
    acme = sinks["acme"]
    assert acme.subscription.types == {LLM_CALL, SPAN_ENDED}
    assert (acme.subscription.organizations, acme.subscription.sample) == ({"acme"}, 0.25)
    assert (acme.limits.events, acme.limits.bytes, acme.limits.linger) == (300, 2_000_000, 1.5)
    assert sinks["beta"].limits == Limits()
    assert sinks["broker"].subscription.types == {"com.example.order.placed"}
    assert sinks["archive"].subscription.types == USUAL
    keys: list[Any] = [settings.all_sinks[name] for name in ("acme", "beta")]
    assert [each.write_key.get_secret_value() for each in keys] == [SECRET, "key-of-beta"]


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({}, r"REDRIVE_SINKS\.s: .*kind"),
        ("rudderstack", r"REDRIVE_SINKS\.s: .*kind"),
        ({"kind": "kafka"}, r"REDRIVE_SINKS\.s: .*kind of rudderstack, warehouse"),
        ({"kind": 7}, r"REDRIVE_SINKS\.s: .*kind"),
        (RUDDER | {"write_kay": "x"}, r"REDRIVE_SINKS\.s: .*'write_kay'; did you mean write_key\?"),
        (RUDDER | {"folder": "/x"}, r"REDRIVE_SINKS\.s: .*'folder'"),
        (RUDDER | {"timeout": 0}, r"REDRIVE_SINKS\.s\.timeout: "),
        (RUDDER | {"timeout": "soon"}, r"REDRIVE_SINKS\.s\.timeout: "),
        (RUDDER | {"sample": 1.5}, r"REDRIVE_SINKS\.s\.sample: "),
        (RUDDER | {"sample": float("nan")}, r"REDRIVE_SINKS\.s\.sample: "),
        (RUDDER | {"types": []}, r"REDRIVE_SINKS\.s\.types: "),
        (RUDDER | {"organizations": []}, r"REDRIVE_SINKS\.s\.organizations: "),
        (RUDDER | {"batch": {"events": 0}}, r"REDRIVE_SINKS\.s\.batch\.events: "),
        (RUDDER | {"batch": {"size": 1}}, r"REDRIVE_SINKS\.s\.batch: .*'size'"),
        (RUDDER | {"batch": {"linger": -1}}, r"REDRIVE_SINKS\.s\.batch\.linger: "),
        (RUDDER | {"url": "dataplane.example.com"}, r"REDRIVE_SINKS\.s\.url: .*https://"),
        (RUDDER | {"write_key": ""}, r"REDRIVE_SINKS\.s\.write_key: "),
        (RUDDER | {"write_key": f"{SECRET}\u20ac"}, r"REDRIVE_SINKS\.s\.write_key: .*Latin-1"),
        ({"kind": "otlp", "url": "http://c", "headers": {"x": f"{SECRET}\u20ac"}}, r"REDRIVE_SINKS\.s\.headers: .*'x'"),
        (RUDDER | {"write_key_file": "/nowhere"}, r"REDRIVE_SINKS\.s: .*either write_key or write_key_file"),
        ({"kind": "rudderstack", "url": "https://d", "write_key_file": "/nowhere"}, r"REDRIVE_SINKS\.s: .*can be read"),
        ({"kind": "rudderstack", "url": "https://d"}, r"REDRIVE_SINKS\.s: .*write_key"),
        ({"kind": "rudderstack", "write_key": SECRET}, r"REDRIVE_SINKS\.s: .*url"),
        ({"kind": "warehouse"}, r"REDRIVE_SINKS\.s: .*url"),
        ({"kind": "warehouse", "url": "mysql://r:hunter22@h/w"}, r"REDRIVE_SINKS\.s\.url: .*got mysql://$"),
        ({"kind": "otlp", "url": "http://c", "headers": {"a b": "c"}}, r"REDRIVE_SINKS\.s\.headers: "),
        ({"kind": "cloudevents", "url": "http://c", "mode": "binary"}, r"REDRIVE_SINKS\.s\.mode: "),
        ({"kind": "file"}, r"REDRIVE_SINKS\.s\.folder: "),
        ({"kind": "file", "folder": "/x", "keep": -1}, r"REDRIVE_SINKS\.s\.keep: "),
        ({"kind": "mine:make", "options": {"name": "x"}}, r"REDRIVE_SINKS\.s: .*name"),
        ({"kind": "mine:make", "options_file": "/nowhere"}, r"REDRIVE_SINKS\.s: .*can be read"),
        ({"kind": "no module:make"}, r"REDRIVE_SINKS\.s\.kind: "),
    ],
)
def test_a_mistake_is_told_by_its_key(table: object, told: str) -> None:
    """The error names the table and the key that is wrong, and no secret."""
    with pytest.raises(SettingsInvalid, match=told) as refused:
        loaded(s=table)
    assert SECRET not in str(refused.value)
    assert "hunter22" not in str(refused.value)


@pytest.mark.parametrize("name", ["", "Acme", "a b", "x" * 41, "ümlaut", "-a", "a/b"])
def test_a_name_is_one_word(name: str) -> None:
    """It stands in file names, in metrics and in what is stored."""
    with pytest.raises(SettingsInvalid, match=r"REDRIVE_SINKS: .*name of 1 to 40"):
        loaded(**{name: RUDDER})


def test_a_default_name_is_of_its_kind() -> None:
    """Another kind of sink under the warehouse's name would take the warehouse away."""
    with pytest.raises(SettingsInvalid, match=r"REDRIVE_SINKS: .*'warehouse'"):
        loaded(warehouse={"kind": "file", "folder": "/x"})


@pytest.mark.parametrize("text", ["[", "[]", "7", '"x"'])
def test_what_is_no_table_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """The environment holds a JSON object."""
    monkeypatch.setenv("REDRIVE_SINKS", text)
    with pytest.raises(SettingsInvalid, match="REDRIVE_SINKS: "):
        load()


def test_a_type_that_the_sink_cannot_take_is_refused_at_the_start() -> None:
    """A misspelt type would route nothing, and nobody would see it."""
    with pytest.raises(SettingsInvalid, match=r"REDRIVE_SINKS\.s\.types: .*did you mean redrive\.llm\.call\.v1\?"):
        make_sinks(loaded(s=RUDDER | {"types": ["redrive.llm.call.v2"]}))


def test_secrets_are_never_told(tmp_path: Path) -> None:
    """Keys, headers that are credentials, passwords in URLs, queries and what stands in files are hidden everywhere."""
    (tmp_path / "options").write_text(json.dumps({"deep": [{"token": "from-options-file"}], "n": 1}))
    (tmp_path / "url").write_text("https://hooks.example.com/path-is-secret\n")
    (tmp_path / "headers").write_text("X-Plain: from-headers-file\n")
    loaded(
        a=RUDDER | {"url": "https://u:password-in-url@dataplane.example.com"},
        b={"kind": "otlp", "url": "https://c", "headers": {"signoz-ingestion-key": "ingestion-key"}},
        c={"kind": "cloudevents", "url": "https://c/?token=in-the-query"},
        d={"kind": "cloudevents", "url_file": f"{tmp_path}/url", "headers_file": f"{tmp_path}/headers"},
        e={"kind": "mine:make", "options_file": f"{tmp_path}/options"},
    )
    for secret in (
        SECRET, "password-in-url", "ingestion-key", "token=in-the-query", "https://hooks.example.com/path-is-secret",
        "from-headers-file", "from-options-file",
    ):  # fmt: skip
        assert secret not in scrub.text(f"it failed at {secret!r} with {secret}")


@pytest.fixture
def mine(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Give a module of the user's own."""
    module = ModuleType("mine_of_the_test")
    monkeypatch.setitem(sys.modules, "mine_of_the_test", module)
    return module


def test_a_sink_of_ones_own_is_made_with_its_options(mine: ModuleType) -> None:
    """The function gets the name and the options, and what it makes is routed as any other."""
    mine.make = lambda name, *, types: MemorySink(name, types)  # type: ignore[attr-defined]  # the module is made here
    settings = loaded(
        own={"kind": "mine_of_the_test:make", "options": {"types": [LLM_CALL, TASK_FAILED]}, "types": [LLM_CALL]}
    )
    assert made(settings)["own"].subscription.types == {LLM_CALL}


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (None, "AttributeError"),
        (lambda _name: 1 / 0, "ZeroDivisionError"),
        (lambda: None, "TypeError"),
        (lambda _name: MemorySink("other", [LLM_CALL]), "name is not 'own'"),
        (ModuleType, "name is not"),
        (lambda name: MemorySink(name, []), "types"),
    ],
)
def test_what_is_no_sink_is_refused_at_the_start(mine: ModuleType, make: object, told: str) -> None:
    """A module that cannot be imported, a call that fails and a thing that is no sink are told by the key."""
    if make is not None:
        mine.make = make  # type: ignore[attr-defined]  # as above
    with pytest.raises(SettingsInvalid, match=rf"REDRIVE_SINKS\.own\.kind: .*{told}"):
        make_sinks(loaded(own={"kind": "mine_of_the_test:make"}))
    with pytest.raises(SettingsInvalid, match=r"REDRIVE_SINKS\.own\.kind: .*ModuleNotFoundError"):
        make_sinks(loaded(own={"kind": "nowhere_at_all:make"}))
