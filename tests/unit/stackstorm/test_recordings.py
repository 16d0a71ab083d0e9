"""Exchanges recorded between st2client 3.9.0 and a real StackStorm, asked again of the embedded one.

Status, headers and the shape of the body (keys, types of values) must be those of the real one. What differs by nature
is listed in DIFFERENT.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.stackstorm_server import embedded

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDINGS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("recordings.json").read_text())
PATIENCE = 20.0
# Path of keys -> why the two differ there.
DIFFERENT = {
    "context.paused_by": "the recorded execution had been paused",
    "context.resumed_by": "the recorded execution had been paused",
    "output_schema": "the actions of the recorded pack declare other outputs",
    "parameters": "the actions of the recorded pack have other parameters",
    "result": "the results of the recorded actions are their own",
    "runner_parameters": "each runner has its own",
    "payload_schema": "each trigger type has its own",
}
PACK = {
    "pack.yaml": """\
name: demo
description: d
version: 0.1.0
author: a
keywords: [k]
stackstorm_version: ">=3.8.0"
python_versions: ["3"]
email: a@example.com
""",
    "actions/noop_py.yaml": """\
name: noop_py
runner_type: python-script
entry_point: noop_py.py
parameters: {x: {type: integer, default: 0}}
""",
    "actions/noop_py.py": """\
from st2common.runners.base_action import Action


class Noop(Action):
    def run(self, x=0):
        return {'x': x}
""",
    "actions/probe.yaml": """\
name: probe
runner_type: python-script
entry_point: noop_py.py
description: d
parameters: {message: {type: string, required: true}}
""",
    "actions/wf.yaml": """\
name: wf
runner_type: orquesta
entry_point: workflows/wf.yaml
parameters: {key: {type: string, required: true}, items: {type: array, default: [1]}}
""",
    "actions/workflows/wf.yaml": """\
version: 1.0
input: [key, items]
tasks: {a: {action: demo.noop_py x=1}}
output: [{key: <% ctx(key) %>}]
""",
    "triggers/evt.yaml": """\
name: evt
description: d
payload_schema: {type: object, properties: {id: {type: string, required: true}}}
""",
    "rules/bench.yaml": """\
name: bench
trigger: {type: demo.evt}
action: {ref: demo.wf, parameters: {key: k}}
""",
    "rules/rec_rule.yaml": """\
name: rec_rule
enabled: true
trigger: {type: demo.evt}
context: {user: root}
criteria: {trigger.id: {type: equals, pattern: rec}}
action: {ref: demo.noop_py, parameters: {x: '{{ trigger.value }}'}}
""",
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an embedded StackStorm with a pack like the recorded one."""
    folder = tmp_path_factory.mktemp("recordings")
    for name, text in PACK.items():
        (folder / "demo" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "demo" / name).write_text(text)
    with embedded(folder, folder / "demo") as found:
        yield f"{found}/v1"


@pytest.fixture(scope="module")
def known(url: str) -> dict[str, str]:
    """The identifiers that stand in the recorded paths, filled in as the exchanges bring them."""
    rule = requests.get(f"{url}/rules/demo.rec_rule", timeout=5).json()
    return {"rule": rule["id"]}


@pytest.mark.parametrize("recorded", RECORDINGS, ids=[f"{r['n']} {r['method']} {r['path']}" for r in RECORDINGS])
def test_it_answers_as_the_real_one_did(url: str, known: dict[str, str], recorded: dict[str, Any]) -> None:
    """Status, content type, the list headers and the shape of the body are the recorded ones."""
    settle(url, known)
    headers = {"St2-Trace-Tag": recorded["trace_tag"]} if "trace_tag" in recorded else {}
    answer = requests.request(
        recorded["method"], url + recorded["path"].format(**known), json=recorded["request"], headers=headers, timeout=5
    )
    assert answer.status_code == recorded["status"], answer.text
    assert answer.headers.get("Content-Type") == recorded["content_type"]
    listed = {"X-Total-Count", "X-Limit"}
    assert listed & set(answer.headers) == listed & set(recorded["headers"])
    body = answer.json() if "json" in (recorded["content_type"] or "") else None
    if body is not None:
        assert differences(recorded["response"], body) == []
    remember(known, recorded, body)


def settle(url: str, known: dict[str, str]) -> None:
    """Wait until what was asked for before has ended."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = requests.get(f"{url}/executions", timeout=5).json()
        instances = requests.get(f"{url}/triggerinstances", timeout=5).json()
        if all(e["status"] == "succeeded" for e in found) and all(i["status"] == "processed" for i in instances):
            return
        time.sleep(0.02)
    raise AssertionError(f"expected every execution to succeed, got {known}")


def remember(known: dict[str, str], recorded: dict[str, Any], body: object) -> None:
    """Keep the identifiers that later paths name."""
    for number, name in ((12, "execution"), (27, "workflow"), (64, "instance"), (67, "enforcement"), (69, "trace")):
        if recorded["n"] == number:
            first: Any = body[0] if isinstance(body, list) else body
            known[name] = first["id"]


def differences(real: object, ours: object, path: str = "") -> list[str]:
    """Name every place where keys or types differ."""
    if any(path == skip or path.endswith(f".{skip}") for skip in DIFFERENT):
        return []
    if isinstance(real, dict) and isinstance(ours, dict):
        left_out = {key for key in set(real) ^ set(ours) if differences(None, 0, f"{path}.{key}".lstrip("."))}
        found = [f"{path}.{key} is only in {'the real one' if key in real else 'ours'}" for key in sorted(left_out)]
        for key in set(real) & set(ours):
            found += differences(real[key], ours[key], f"{path}.{key}".lstrip("."))
        return found
    if isinstance(real, list) and isinstance(ours, list):
        return differences(real[0], ours[0], path) if real and ours else []
    if path == "faultstring":
        return [] if real == ours else [f"{path}: {real!r} and {ours!r}"]
    return [] if kind(real) == kind(ours) else [f"{path}: {real!r} and {ours!r}"]


def kind(value: object) -> str:
    """Name a value's JSON type."""
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
