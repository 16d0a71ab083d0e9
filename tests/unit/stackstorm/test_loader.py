"""Loading packs: what a StackStorm would refuse, or the embedded one does not support, names file, key and line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.stackstorm.embedded.content.library import Library
from orchestrator.stackstorm.embedded.content.loader import load
from orchestrator.stackstorm.embedded.errors import ContentError
from orchestrator.stackstorm.embedded.store import Store
from orchestrator.stackstorm.packs import packs_dir

if TYPE_CHECKING:
    from pathlib import Path

GOOD = {
    "pack.yaml": """\
name: demo
description: d
version: 1.0.0
author: a
""",
    "config.schema.yaml": """\
url:
  type: string
  default: x
key:
  type: string
  secret: true
""",
    "triggers/evt.yaml": """\
name: evt
payload_schema:
  type: object
  properties:
    id: {type: string, required: true}
""",
    "rules/r.yaml": """\
name: r
trigger: {type: demo.evt}
action: {ref: demo.py, parameters: {x: '{{ trigger.id }}'}}
""",
    "actions/py.yaml": """\
name: py
runner_type: python-script
entry_point: py.py
parameters:
  x:
    type: string
""",
    "actions/py.py": "",
    "actions/wf.yaml": """\
name: wf
runner_type: orquesta
entry_point: workflows/wf.yaml
""",
    "actions/workflows/wf.yaml": """\
version: 1.0
tasks:
  a:
    action: demo.py
    next:
      - do: b
  b:
    action: demo.py
""",
}
WF = "actions/workflows/wf.yaml"
PACK, EVT, RULE, PY = (GOOD[name] for name in ("pack.yaml", "triggers/evt.yaml", "rules/r.yaml", "actions/py.yaml"))
AMBIGUOUS = """\
tasks:
  a: {next: [{do: [b, c]}]}
  b: {next: [{do: d}]}
  c: {next: [{do: d}]}
  d: {next: [{do: e}]}
  e: {join: all}
  f: {next: [{do: e}]}
"""


def write(folder: Path, changes: dict[str, str]) -> Path:
    """Write the good pack with some files changed."""
    for name, text in {**GOOD, **changes}.items():
        (folder / "demo" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "demo" / name).write_text(text)
    return folder / "demo"


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


BAD = [
    ("pack.yaml", "name: demo\ndescription: d\nauthor: a\n", "file", "expected the key 'version'"),
    ("pack.yaml", PACK.replace("1.0.0", "one"), "version", "semantic version"),
    ("pack.yaml", PACK.replace("demo", "My Pack"), "name", "lower-case letters"),
    ("pack.yaml", PACK + "stackstorm_version: newest\n", "stackstorm_version", "a range"),
    ("pack.yaml", "[]", "file", "expected a mapping"),
    ("config.schema.yaml", "url: {typ: string}\n", "url.typ", "JSON Schema"),
    ("config.schema.yaml", "url: {type: text}\n", "url.type", "one of array"),
    ("triggers/evt.yaml", EVT + "payload: {}\n", "payload", "expected one of"),
    ("triggers/evt.yaml", "payload_schema: {}\n", "file", "expected the key 'name'"),
    ("rules/r.yaml", RULE + "enabeld: true\n", "enabeld", "expected one of"),
    ("rules/r.yaml", RULE + "enabled: 'yes'\n", "enabled", "expected bool, got str"),
    ("rules/r.yaml", RULE + "criteria: {trigger.id: {type: like, pattern: x}}\n", "criteria.trigger.id", "one of"),
    ("rules/r.yaml", RULE.replace("demo.evt", "demo.other"), "trigger.type", "expected a trigger type"),
    ("rules/r.yaml", RULE.replace("demo.py", "demo.nope"), "action.ref", "expected an action"),
    ("rules/r.yaml", RULE.replace("trigger.id }}", "trigger.id | nope }}"), "action.parameters.x", "nope"),
    (
        "rules/r.yaml",
        RULE.replace("{type: demo.evt}", "{type: demo.evt, parameters: {u: 1}}"),
        "trigger.parameters",
        "not supported",
    ),
    ("rules/r.yaml", RULE + "type: {ref: backstop}\n", "type.ref", "not supported"),
    ("actions/py.yaml", PY + "output_key: x\n", "output_key", "expected one of"),
    ("actions/py.yaml", PY.replace("python-script", "http-request"), "runner_type", "not supported"),
    ("actions/py.yaml", PY.replace("python-script", "cobol"), "runner_type", "expected one of"),
    ("actions/py.yaml", PY.replace("py.py", "gone.py"), "entry_point", "expected a file"),
    ("actions/py.yaml", PY.replace("py.py", "../../outside.py"), "entry_point", "expected a file"),
    ("actions/py.yaml", PY.replace("type: string", "kind: string"), "parameters.x.kind", "draft 4"),
    ("actions/py.yaml", PY + "    required: please\n", "parameters.x.required", "true or false"),
    ("actions/py.yaml", PY + "    default: '{{ x | nope }}'\n", "parameters.x.default", "nope"),
    ("actions/py.yaml", PY + "name: twice\n", "name", "once"),
    ("actions/py.yaml", "name: [unclosed\n", "file", "expected YAML"),
    ("sensors/s.yaml", "class_name: S\n", "file", "sensors are not supported"),
    ("policies/p.yaml", "name: p\n", "file", "policies are not supported"),
    ("aliases/a.yaml", "name: a\n", "file", "aliases are not supported"),
    (WF, GOOD[WF].replace("do: b", "do: c"), "tasks.a.next[0].do", "expected a task of this workflow"),
    (WF, GOOD[WF].replace("demo.py\n    next", "demo.nope\n    next"), "tasks.a.action", "expected an action"),
    (WF, GOOD[WF] + "    join: some\n", "tasks.b.join", "expected all or a number"),
    (WF, GOOD[WF] + "    with: x in <% ctx(y) %>\n", "tasks.b.with", "not supported"),
    (WF, GOOD[WF] + "    timeout: 5\n", "tasks.b.timeout", "expected one of"),
    (WF, GOOD[WF] + "    retry: {delay: 1}\n", "tasks.b.retry", "expected count"),
    (WF, GOOD[WF] + "    retry: {count: -1}\n", "tasks.b.retry.count", "whole number"),
    (WF, GOOD[WF] + "    delay: soon enough <% ctx( %>\n", "tasks.b.delay", "expected YAQL"),
    (WF, GOOD[WF] + "    input: {x: '<% nope(1) %>'}\n", "tasks.b.input", "'nope'"),
    (WF, GOOD[WF] + "    input: {x: '{{ nope(1) }}'}\n", "tasks.b.input", "'nope'"),
    (WF, GOOD[WF] + "    input: {x: '{{ ctx(1) }} <% ctx(1) %>'}\n", "tasks.b.input", "one expression language"),
    (WF, GOOD[WF] + "    next: [{when: '<% % %>'}]\n", "tasks.b.next[0].when", "expected YAQL"),
    (WF, GOOD[WF] + "    next: [{publish: [{x: '{{ a | nope }}'}]}]\n", "tasks.b.next[0].publish[0].x", "nope"),
    (WF, GOOD[WF] + "    next: [{then: b}]\n", "tasks.b.next[0].then", "expected one of"),
    (WF, GOOD[WF] + "  noop: {action: demo.py}\n", "tasks.noop", "commands"),
    (WF, GOOD[WF] + "    next: [{do: a}]\n", "tasks", "where the workflow starts"),
    (WF, GOOD[WF] + "outputs: []\n", "outputs", "expected one of"),
    (WF, GOOD[WF] + "input: x\n", "input", "a list"),
    (WF, GOOD[WF].replace("1.0", "2.0"), "version", "expected 1.0"),
    (WF, "version: 1.0\ntasks: {}\n", "tasks", "at least one task"),
    (WF, AMBIGUOUS, "tasks.e.join", "share its splits"),
]


@pytest.mark.parametrize(
    ("file", "text", "key", "expected"), BAD, ids=[f"{b[0]} {b[2]} {i}" for i, b in enumerate(BAD)]
)
def test_a_bad_file_is_refused_with_file_and_key(tmp_path: Path, file: str, text: str, key: str, expected: str) -> None:
    """The error names the file, the key (or 'file') and what was expected."""
    pack = write(tmp_path, {file: text})
    with pytest.raises(ContentError, match=r".+") as caught:
        load([pack], tmp_path)
    message = str(caught.value)
    assert file in message
    assert f": {key}: " in message
    assert expected in message


def test_the_line_is_named_too(tmp_path: Path) -> None:
    """What is wrong deep inside a workflow is found by its line."""
    with pytest.raises(ContentError) as caught:
        load([write(tmp_path, {WF: GOOD[WF].replace("do: b", "do: c")})], tmp_path)
    assert caught.value.line == 6


def test_configuration_that_does_not_fit_its_schema_is_refused(tmp_path: Path) -> None:
    """An unknown or badly typed value names the configuration's file."""
    pack = write(tmp_path, {})
    for text, expected in (
        ("nope: 1\n", "nope"),
        ("url: 1\n", "url"),
        ("url: '{{ st2kv.system.x }}'\n", "not supported"),
    ):
        (tmp_path / "demo.yaml").write_text(text)
        with pytest.raises(ContentError, match=expected) as caught:
            load([pack], tmp_path)
        assert caught.value.path == str(tmp_path / "demo.yaml")


def test_a_bomb_of_aliases_is_refused(tmp_path: Path) -> None:
    """Nested aliases are counted as what they stand for, before anything is built from them."""
    bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
    )
    with pytest.raises(ContentError, match="at most"):
        load([write(tmp_path, {"rules/r.yaml": bomb})], tmp_path)


def test_a_pack_that_cannot_be_read_again_changes_nothing(tmp_path: Path) -> None:
    """Registering a broken pack raises, and what was loaded stays."""
    pack = write(tmp_path, {})
    store = Store(tmp_path / "state.sqlite")
    library = Library([pack], tmp_path, store)
    write(tmp_path, {"rules/r.yaml": "name: r\n"})
    with pytest.raises(ContentError):
        library.register(None)
    assert "demo.r" in library.content.rules
    store.close()
