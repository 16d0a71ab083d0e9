"""Loading packs: what a StackStorm would refuse, or the embedded one does not support, names file, key and line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.stackstorm.embedded.content.library import Library
from orchestrator.stackstorm.embedded.content.loader import load, read_all
from orchestrator.stackstorm.embedded.datastore import Datastore
from orchestrator.stackstorm.embedded.errors import ContentError
from orchestrator.stackstorm.embedded.store import Store
from orchestrator.stackstorm.packs import packs_dir
from tests.unit.stackstorm.malformed import GOOD, PY, WF, write

if TYPE_CHECKING:
    from pathlib import Path


def test_a_good_pack_loads_with_its_configuration(tmp_path: Path) -> None:
    """Defaults of the configuration are filled in, secrets known by name, the workflow read."""
    (tmp_path / "demo.yaml").write_text("key: hidden\n")
    content = load([write(tmp_path, {})], tmp_path)
    assert content.packs["demo"].config == {"url": "x", "key": "hidden"}
    assert content.packs["demo"].secrets == {"key"}
    workflow = content.actions["demo.wf"].workflow
    assert workflow is not None
    assert list(workflow.tasks) == ["a", "b"]
    assert not content.rules["demo.r"].enabled


def test_our_own_pack_loads() -> None:
    """packs/redrive loads as it is."""
    content = load([packs_dir() / "redrive"], packs_dir())
    assert {"redrive.retry", "redrive.reroute", "redrive.cron_backoff", "redrive.settle", "redrive.escalate"} <= set(
        content.actions
    )


def test_what_names_a_refused_action_loads_and_says_so(tmp_path: Path) -> None:
    """Rules and workflows may name an action that is refused: it is known, with the reason why it cannot run."""
    changed = PY.replace("python-script", "action-chain")
    content = load([write(tmp_path, {"actions/py.yaml": changed})], tmp_path)
    assert "demo.r" in content.rules
    assert content.findings == ()
    assert "action-chain is not supported" in content.absence("demo.py")


def test_the_trigger_types_of_a_sensor_are_there(tmp_path: Path) -> None:
    """A sensor does not run, but rules may name what it declares."""
    sensor = "class_name: S\nentry_point: s.py\ntrigger_types: [{name: seen, payload_schema: {type: object}}]\n"
    content = load([write(tmp_path, {"sensors/s.yaml": sensor})], tmp_path)
    assert content.triggers["demo.seen"].document["metadata_file"] == "sensors/s.yaml"


def test_every_error_of_every_file_is_known(tmp_path: Path) -> None:
    """One error hides no other, of the same file or of the next one."""
    changes = {"actions/py.yaml": PY + "one: 1\ntwo: 2\n", "triggers/evt.yaml": "payload: {}\n"}
    said = [str(error) for error in read_all([write(tmp_path, changes)], tmp_path).errors]
    assert [key for key in ("one", "two", "'name'", "trigger.type") if not any(key in s for s in said)] == []


def test_the_line_is_named_too(tmp_path: Path) -> None:
    """What is wrong deep inside a workflow is found by its line."""
    content = load([write(tmp_path, {WF: GOOD[WF].replace("do: b", "do: c")})], tmp_path)
    assert [finding.line for finding in content.findings] == [6]


def test_configuration_that_does_not_fit_its_schema_is_refused(tmp_path: Path) -> None:
    """A badly typed value names the configuration's file."""
    pack = write(tmp_path, {})
    for text, expected in (
        ("[]\n", "expected a mapping, got a list"),
        ("url: 1\n", "url: expected text, got a whole number"),
        ("key: '{{ st2kv.system.x | decrypt_kv }}'\n", "without decrypt_kv"),
    ):
        (tmp_path / "demo.yaml").write_text(text)
        with pytest.raises(ContentError, match=expected) as caught:
            load([pack], tmp_path)
        assert caught.value.path == str(tmp_path / "demo.yaml")


def test_a_pack_that_cannot_be_read_again_changes_nothing(tmp_path: Path) -> None:
    """Registering a broken pack raises, and what was loaded stays."""
    pack = write(tmp_path, {})
    store = Store(tmp_path / "state.sqlite")
    library = Library([pack], tmp_path, store, Datastore(store, tmp_path))
    write(tmp_path, {"rules/r.yaml": "name: r\n"})
    with pytest.raises(ContentError):
        library.register(None)
    assert "demo.r" in library.content.rules
    store.close()
