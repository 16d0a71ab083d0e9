"""Exchanges recorded between st2client 3.9.0 and a real StackStorm, asked again of the embedded one, in their order.

Status, headers and body must be those of the real one: the same keys everywhere, and the same values but for those of
IGNORED and DIFFERENT. `<name>` in a recording stands for an identifier that an earlier exchange brought.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.stackstorm_server import embedded

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
RECORDINGS: list[dict[str, Any]] = json.loads((HERE / "recordings.json").read_text())
PATIENCE = 20.0
FINAL = ("succeeded", "failed", "canceled", "timeout", "abandoned")
# Of the 100 recorded exchanges, those that are not asked again, by the feature that the embedded one refuses by name.
LEFT_OUT = {
    73: "sensors: GET /sensortypes",
    74: "sensors: GET /sensortypes/<ref>",
    75: "sensors: PUT /sensortypes/<id>",
    76: "policies: GET /policytypes",
    77: "policies: POST /policies",
    78: "policies: DELETE /policies/<id>",
}
# Why -> the keys whose values are each server's own; that they are there, and their types, is compared all the same.
IGNORED = {
    "identifiers": (
        "id", "id_", "object_id", "trigger_instance_id", "execution_id", "exec_id", "workflow_execution",
        "workflow_execution_id", "task_execution", "task_execution_id", "children",
    ),
    "times, and what the recorded action says of the time": (
        "start_timestamp", "end_timestamp", "timestamp", "created_at", "enforced_at", "expire_timestamp",
        "occurrence_time", "updated_at", "elapsed_seconds", "t",
    ),
    "the place where it runs": ("hostname", "pid", "path", "web_url"),
    "how much there is: of a text with a time in it, in the whole pack, in the whole server": (
        "result_size", "files", "runners", "rule_types", "policy_types", "triggers", "sensors", "actions", "rules",
        "aliases", "policies", "configs", "X-Total-Count",
    ),
}  # fmt: skip
ITS_OWN = {key for keys in IGNORED.values() for key in keys}
# Exchange -> path of keys -> why the two differ there; `[]` after a path stands for the length of a list.
AT_ONCE = {
    "status": "it runs before a second request can ask",
    "liveaction.runner_info": "as the status: the real one had not scheduled it yet",
    "log": "as the status",
}
OWN_WORDS = {"action.description": "our words are our own"}
CUT_SHORT = {"[]": "it was cut short when it was recorded"}
DIFFERENT: dict[int, dict[str, str]] = {
    0: CUT_SHORT,
    1: CUT_SHORT,
    9: {"faultstring": "the pack's folder stands in it"},
    13: AT_ONCE,
    24: AT_ONCE | CUT_SHORT,
    40: OWN_WORDS | {"action.parameters": "as above, in those of core.local"},
    46: {"value": "each encrypts with a key of its own"},
    50: {"value": "as above"} | CUT_SHORT,
    51: CUT_SHORT,
    57: {"description": "our words are our own", "payload_schema": "it names the headers in small letters as well"},
    60: {"trigger.ref": "each names the trigger of a rule with parameters anew"},
    63: dict.fromkeys(("name", "ref", "uid"), "as above, of webhooks"),
    67: {"[]": "the instance that was emitted again is matched before a second request can ask"},
    69: {"uid": "a hash of what is in it"},
    70: {"uid": "as above"},
    79: CUT_SHORT,
    86: OWN_WORDS,
    87: OWN_WORDS | AT_ONCE | {"result": "it waits for its answer already", "result_size": "as the result"},
    88: OWN_WORDS,
    93: OWN_WORDS,
    96: {"key": "made up anew", "uid": "a hash of it"},
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an embedded StackStorm with a pack like the recorded one."""
    folder = tmp_path_factory.mktemp("recordings")
    shutil.copytree(HERE / "recorded_pack", folder / "demo")
    with embedded(folder, folder / "demo") as found:
        yield f"{found}/v1"


@pytest.fixture(scope="module")
def known() -> dict[str, str]:
    """The identifiers that stand in the recorded exchanges, filled in as they come."""
    return {}


def test_every_exchange_is_asked_again_or_left_out_with_its_reason() -> None:
    """One hundred in all."""
    asked = [recorded["n"] for recorded in RECORDINGS]
    assert sorted([*asked, *LEFT_OUT]) == list(range(100))


@pytest.mark.parametrize("recorded", RECORDINGS, ids=[f"{r['n']} {r['method']} {r['path']}" for r in RECORDINGS])
def test_it_answers_as_the_real_one_did(url: str, known: dict[str, str], recorded: dict[str, Any]) -> None:
    """Status, headers and body are the recorded ones."""
    asked = filled(recorded, known)
    prepare(url, asked)
    answer = ask(url, asked)
    body = answer.json() if "json" in answer.headers.get("Content-Type", "") else answer.text
    remember(known, recorded, body)
    assert answer.status_code == asked["status"], answer.text
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["X-Request-Id"])
    headers = {
        name: value for name, value in answer.headers.items() if name in {"Content-Type", "X-Limit", "X-Total-Count"}
    }
    assert differences(asked["headers"], headers, {}) == []
    assert differences(asked["response"], body, DIFFERENT.get(asked["n"], {})) == []


def test_an_item_too_many_is_a_difference() -> None:
    """Whether ours or the real one's, at any depth, but where the table says that one list is longer."""
    assert differences({"a": [1]}, {"a": [1, 2]}, {}) == ["a[]: 1 items and 2"]
    assert differences([1, 2], [1], {})[0] == "[]: 2 items and 1"
    assert differences([1], [1, 2], CUT_SHORT) == []


def filled(recorded: dict[str, Any], known: dict[str, str]) -> dict[str, Any]:
    """Put the identifiers that are known in the place of their names."""
    text = json.dumps(recorded)
    for name, id_ in known.items():
        text = text.replace(f"<{name}>", id_)
    document: dict[str, Any] = json.loads(text)
    return document


def ask(url: str, asked: dict[str, Any]) -> requests.Response:
    """Send one recorded request."""
    headers = {"St2-Trace-Tag": asked["trace_tag"]} if "trace_tag" in asked else {}
    if asked.get("raw"):
        headers["Content-Type"] = "text/plain"
        return requests.request(asked["method"], url + asked["path"], data=asked["request"], headers=headers, timeout=5)
    return requests.request(asked["method"], url + asked["path"], json=asked["request"], headers=headers, timeout=5)


def prepare(url: str, asked: dict[str, Any]) -> None:
    """Wait until what the exchange is about is as far as it was when it was recorded."""
    execution = re.fullmatch(r"/executions/[0-9a-f]{24}", asked["path"])
    if execution and asked["method"] == "PUT":
        wanted = {"pausing": "running", "resuming": "paused"}[asked["request"]["status"]]
        until(url, asked["path"], lambda found: found["status"] == wanted and bool(found.get("children")))
    elif execution and asked["method"] == "DELETE":
        until(url, asked["path"], lambda found: found["status"] == "running")
    elif execution and asked["status"] == 200 and asked["response"]["status"] != "requested":
        until(url, asked["path"], lambda found: found["status"] == asked["response"]["status"])
    elif asked["path"].startswith(("/ruleenforcements/?", "/traces/?")):
        until(url, asked["path"], lambda found: complete(found[0], asked["response"][0]) if found else False)
    elif asked["path"].startswith("/triggerinstances/?"):
        until(url, asked["path"], lambda found: found[0]["status"] == "processed" if found else False)


def complete(ours: dict[str, Any], real: dict[str, Any]) -> bool:
    """Tell whether every list of ours is as long as the real one's."""
    return all(len(ours[key]) >= len(value) for key, value in real.items() if isinstance(value, list))


def until(url: str, path: str, holds: Any) -> None:  # noqa: ANN401 a function of whatever the path answers
    """Wait until what a path answers is so; raises AssertionError."""
    deadline = time.monotonic() + PATIENCE
    found: Any = None
    while time.monotonic() < deadline:
        found = requests.get(url + path, timeout=5).json()
        if holds(found):
            return
        if isinstance(found, dict) and found.get("status") in FINAL:
            break
        time.sleep(0.02)
    raise AssertionError(f"expected it to come in time, got {found}")


def remember(known: dict[str, str], recorded: dict[str, Any], body: object) -> None:
    """Keep the identifier that later exchanges name."""
    real = recorded["response"]
    first, ours = (real[0], body[0]) if isinstance(real, list) and real and isinstance(body, list) else (real, body)
    if isinstance(first, dict) and isinstance(ours, dict) and str(first.get("id", "")).startswith("<"):
        known.setdefault(first["id"].strip("<>"), ours["id"])


def differences(real: object, ours: object, known: dict[str, str], path: str = "") -> list[str]:
    """Name every place where keys, types or values differ."""
    if path in known:
        return []
    if isinstance(real, dict) and isinstance(ours, dict):
        return in_mapping(real, ours, known, path)
    if kind(real) != kind(ours):
        return [f"{path}: {real!r} and {ours!r}"]
    if path.rpartition(".")[2] in ITS_OWN or prose(path):
        return []
    if isinstance(real, list) and isinstance(ours, list):
        length = f"{path}[]"
        same = len(real) == len(ours) or length in known
        found = [] if same else [f"{length}: {len(real)} items and {len(ours)}"]
        return found + [text for each in real for text in differences(each, counterpart(each, real, ours), known, path)]
    return [] if real == ours else [f"{path}: {real!r} and {ours!r}"]


def in_mapping(real: dict[str, Any], ours: dict[str, Any], known: dict[str, str], path: str) -> list[str]:
    """Name every difference of two mappings."""
    paths = {name: f"{path}.{name}".lstrip(".") for name in {*real, *ours}}
    found = [
        f"{paths[name]} is only in {'the real one' if name in real else 'ours'}"
        for name in sorted(set(real) ^ set(ours))
        if paths[name] not in known
    ]
    for name in sorted(set(real) & set(ours)):
        found += differences(real[name], ours[name], known, paths[name])
    return found


def counterpart(each: object, real: list[Any], ours: list[Any]) -> object:
    """Give what of our list belongs to an item of the real one: of the same name, else at the same place."""
    place = real.index(each)
    named = [item for item in ours if isinstance(each, dict) and "name" in each and item.get("name") == each["name"]]
    return named[0] if named else ours[place] if place < len(ours) else None


def prose(path: str) -> bool:
    """Tell whether this describes a runner to people: our words are our own."""
    return path.endswith("description") and ("runner" in path or path == "description")


def kind(value: object) -> str:
    """Name a value's JSON type."""
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
