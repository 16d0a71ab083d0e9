"""The tables of dependencies: each mistake is told by its place, and no secret is shown."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from eventbus import scrub
from orchestrator.dependency_settings.tables import DependencyTable, ProbeTable, patterns_of, policies_of, probes_of
from orchestrator.dependency_settings.ways import HttpTable, SqlTable, TaskTable
from orchestrator.domain.dependencies import Policies, Policy
from orchestrator.domain.errors import SettingsInvalid
from orchestrator.domain.probes import HttpProbe, SqlProbe, TaskProbe, TcpProbe
from orchestrator.settings import Settings, load

if TYPE_CHECKING:
    from orchestrator.dependency_settings.reading import Table

PAGE = Path(__file__).parents[3] / "docs/dependencies.md"
NEEDED = {
    "bus_url": "redrive+sqlite:////tmp/bus.sqlite",
    "ledger_url": "sqlite:////tmp/ledger.sqlite",
    "eventlog_url": "sqlite:////tmp/events.sqlite",
    "warehouse_url": "sqlite:////tmp/warehouse.sqlite",
    "stackstorm_url": "http://127.0.0.1:9101",
}
SECRET = "s3cret-of-mine"
HTTP = {"http": "https://api.example.com/v1/models"}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give what is needed in the environment, and nothing else; what this process knows of secrets is its own."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"REDRIVE_{name.upper()}", raising=False)
    for name, value in NEEDED.items():
        monkeypatch.setenv(f"REDRIVE_{name.upper()}", value)
    monkeypatch.setattr(scrub, "KNOWN", scrub.Scrubber())


def loaded(**tables: Any) -> Settings:
    """Load settings with these tables, as the environment gives them."""
    return load(dependencies=json.dumps({name.replace("_", "-"): table for name, table in tables.items()}))


def test_there_are_none_by_default() -> None:
    """Without tables no task leans on anything by its name, nothing is probed, and each policy is the standard."""
    tables = load().dependencies
    assert (patterns_of(tables), probes_of(tables), policies_of(tables)) == ((), {}, Policies())


def test_the_file_has_tables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Tables of the file become patterns, probes and policies, in their order."""
    path = tmp_path / "redrive.toml"
    path.write_text("""
[dependencies.model-provider]
tasks = ["mail.*", "chat.answer"]
half_life = 60
passes = 5
[dependencies.model-provider.probe]
http = "https://api.example.com/v1/models"
every_seconds = 20
timeout_seconds = 3

[dependencies.orders]
tasks = ["*.report"]
probe = { sql = { url = "postgresql://probe@db/orders", statement = "SELECT id FROM orders LIMIT 1" } }

[dependencies.smtp]
probe.tcp = "[::1]:25"

[dependencies.worker]
probe.task = { name = "app.ping", queue = "canaries", args = [1], kwargs = { a = true } }

[dependencies."*"]
budget_rate = 7
""")
    monkeypatch.setenv("REDRIVE_SETTINGS_FILE", str(path))
    tables = load().dependencies
    fits = [("mail.*", "model-provider"), ("chat.answer", "model-provider"), ("*.report", "orders")]
    assert patterns_of(tables) == tuple(fits)
    assert probes_of(tables) == {
        "model-provider": HttpProbe("https://api.example.com/v1/models", every=20, timeout=3),
        "orders": SqlProbe("postgresql://probe@db/orders", "SELECT id FROM orders LIMIT 1"),
        "smtp": TcpProbe("::1", 25),
        "worker": TaskProbe("app.ping", "canaries", (1,), {"a": True}),
    }
    policies = policies_of(tables)
    assert policies.of("model-provider") == Policy(half_life=60, passes=5, probed=True)
    assert policies.of("smtp") == Policy(probed=True)
    assert policies.of("anything else") == Policy(budget_rate=7)


def test_the_environment_takes_the_place_of_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Tables of the environment are all there are: those of the file are not mixed in."""
    path = tmp_path / "redrive.toml"
    path.write_text("[dependencies.orders]\npasses = 4\n")
    monkeypatch.setenv("REDRIVE_SETTINGS_FILE", str(path))
    monkeypatch.setenv("REDRIVE_DEPENDENCIES", '{"smtp": {}}')
    assert list(load().dependencies) == ["smtp"]
    monkeypatch.setenv("REDRIVE_DEPENDENCIES", "")
    assert load().dependencies == {}


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"task": ["a"]}, r"DEPENDENCIES\.model: .*got 'task'; did you mean tasks\?"),
        ({"probe": {}}, r"\.model\.probe: .*expected one of http, tcp, sql, task, got none"),
        ({"probe": HTTP | {"tcp": "h:1"}}, r"\.model\.probe: .*got http and tcp"),
        ({"probe": HTTP | {"every_second": 1}}, r"\.model\.probe: .*did you mean every_seconds\?"),
        ({"probe": HTTP | {"every_seconds": 0}}, r"\.model\.probe\.every_seconds: "),
        ({"probe": HTTP | {"timeout_seconds": 301}}, r"\.model\.probe\.timeout_seconds: "),
        ({"probe": {"http": "api.example.com"}}, r"\.probe\.http\.url: .*begins with http://, https://; got one with"),
        ({"probe": {"http": "ftp://h"}}, r"\.probe\.http\.url: .*got ftp://"),
        ({"probe": {"http": {"url": "http://h", "method": "DELETE"}}}, r"\.probe\.http\.method: "),
        ({"probe": {"http": {"url": "http://h", "expect": [99]}}}, r"\.probe\.http\.expect\[0\]: "),
        (
            {"probe": {"http": {"url": "http://h", "url_file": "/x"}}},
            r"\.probe\.http: .*either url or url_file, got both",
        ),
        ({"probe": {"http": {}}}, r"\.probe\.http: .*either url or url_file"),
        ({"probe": {"http": {"url_file": "/nowhere"}}}, r"\.probe\.http: .*expected a file that can be read"),
        ({"probe": {"http": {"url": "http://h", "ca_file": "/nowhere"}}}, r"\.probe\.http\.ca_file: "),
        ({"probe": {"http": {"url": "http://h", "headers": {"a b": "c"}}}}, r"\.http\.headers: .*at 'a b'"),
        ({"probe": {"http": {"url": "http://h", "headers": {"a": "c\nd"}}}}, r"\.http\.headers: .*at 'a'"),
        ({"probe": {"tcp": "smtp"}}, r"\.probe\.tcp: .*expected host:port, got 'smtp'"),
        ({"probe": {"tcp": "smtp:0"}}, r"\.probe\.tcp\.port: "),
        ({"probe": {"sql": "mysql://h/x"}}, r"\.probe\.sql\.url: .*got mysql://"),
        ({"probe": {"sql": {"url": "sqlite:///x", "statement": "DROP TABLE x"}}}, r"\.probe\.sql\.statement: .*SELECT"),
        ({"probe": {"task": {"queue": "q"}}}, r"\.probe\.task\.name: expected a value, got none"),
        ({"tolerated_rate": 0.2}, r"\.model: .*tolerated_rate below suspect_rate"),
        ({"down_rate": 0.05}, r"\.model: .*that at most down_rate"),
        ({"half_life": 0}, r"\.model\.half_life: "),
        ({"passes": 0}, r"\.model\.passes: "),
        ({"risk": 1}, r"\.model\.risk: "),
        ({"max_in_flight": 0}, r"\.model\.max_in_flight: "),
        ({"budget_burst": 0.5}, r"\.model\.budget_burst: "),
        ({"tasks": ["", "a"]}, r"\.model\.tasks\[0\]: "),
        (7, r"\.model: .*expected a table with keys of tasks, probe"),
    ],
    ids=str,
)
def test_a_mistake_is_told_by_its_place(table: object, told: str) -> None:
    """The error names the table and the key to correct."""
    with pytest.raises(SettingsInvalid, match=told):
        loaded(model=table)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("{", "got no JSON"),
        ("[]", "tables by name"),
        ('{"": {}}', "a name of 1 to 200 characters"),
        (json.dumps({"x" * 201: {}}), "a name of 1 to 200 characters"),
        ('{"*": {"tasks": ["a"]}}', "numbers alone"),
    ],
)
def test_what_are_no_tables_is_refused(given: str, told: str) -> None:
    """What the environment holds is a JSON object of tables, each under a name that the ledger can hold."""
    with pytest.raises(SettingsInvalid, match=f"REDRIVE_DEPENDENCIES: .*{told}"):
        load(dependencies=given)


def test_secrets_may_stand_in_files(tmp_path: Path) -> None:
    """A URL and headers may come from files; a header beside them goes first."""
    (tmp_path / "url").write_text("http://h/x\n")
    (tmp_path / "headers").write_text("X-Key: from-file\nx-other: 1:2\n\n")
    http = {
        "url_file": str(tmp_path / "url"),
        "headers_file": str(tmp_path / "headers"),
        "headers": {"X-Key": "from-table"},
    }
    (probe,) = probes_of(loaded(model={"probe": {"http": http}}).dependencies).values()
    assert probe == HttpProbe("http://h/x", headers=(("X-Key", "from-table"), ("x-other", "1:2")))
    (tmp_path / "headers").write_text("no colon\n")
    with pytest.raises(SettingsInvalid, match=r"`Name: value` a line"):
        loaded(model={"probe": {"http": http}})


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    """Neither the settings nor an error about them shows a key; what is said later is told without it."""
    (tmp_path / "url").write_text(f"https://hooks.example.com/{SECRET}-path")
    tables = {
        "a": {"probe": {"http": {"url": f"http://h/?key={SECRET}-query", "headers": {"Authorization": f"x {SECRET}"}}}},
        "b": {"probe": {"sql": f"postgresql://u:{SECRET}-password@h/x"}},
        "c": {"probe": {"http": {"url_file": str(tmp_path / "url"), "headers": {"accept": "text/plain"}}}},
    }  # fmt: skip
    settings = loaded(**tables)
    assert SECRET not in repr(settings)
    for said in (SECRET, f"key={SECRET}-query", f"{SECRET}-password", f"https://hooks.example.com/{SECRET}-path"):
        assert SECRET not in scrub.text(f"it said {said!r}")
    assert "text/plain" in scrub.text("a header that is no credential: text/plain")
    tables["a"]["probe"]["http"]["method"] = "DELETE"
    with pytest.raises(SettingsInvalid) as refused:
        loaded(**tables)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("table", [DependencyTable, ProbeTable, HttpTable, SqlTable, TaskTable])
def test_every_key_is_documented(table: type[Table]) -> None:
    """docs/dependencies.md names each key of each table."""
    page = PAGE.read_text()
    assert [key for key in table.model_fields if f"`{key}`" not in page] == []


def test_the_pages_defaults_hold() -> None:
    """The defaults that docs/dependencies.md tells are those that are in force."""
    told = dict(re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", PAGE.read_text(), re.MULTILINE))
    numbers = DependencyTable.model_fields.keys() - {"tasks", "probe"}
    assert {name: float(value) for name, value in told.items()} == {
        name: float(DependencyTable.model_fields[name].default) for name in numbers
    }


def test_the_pages_example_loads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What docs/dependencies.md shows is valid as it stands."""
    (example,) = re.findall(r"^```toml\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "orders").write_text("postgresql://probe@db/orders")
    (tmp_path / "redrive.toml").write_text(example.replace("/run/secrets", str(tmp_path)))
    monkeypatch.setenv("REDRIVE_SETTINGS_FILE", str(tmp_path / "redrive.toml"))
    assert list(probes_of(load().dependencies)) == ["model-provider", "orders-db"]


def test_every_number_of_a_policy_can_be_set() -> None:
    """No number of the domain's policy is out of the operator's reach, and each default is the domain's own."""
    assert set(Policy.__slots__) - {"probed"} == DependencyTable.model_fields.keys() - {"tasks", "probe"}
    assert DependencyTable().policy() == Policy()
