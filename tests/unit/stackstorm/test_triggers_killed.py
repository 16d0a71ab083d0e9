"""What a kill of the server must not lose of the triggers that it has accepted."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Any

import requests

from tests import stackstorm_server
from tests.unit.stackstorm.asking import until, write
from tests.unit.stackstorm.test_triggers import FILES, emit, get

if TYPE_CHECKING:
    from pathlib import Path


def test_every_accepted_trigger_is_matched_once_by_each_rule_over_kills(tmp_path: Path) -> None:
    """Killed again and again while triggers come: each 202 has one enforcement and one execution for each rule."""
    pack, rules = write(tmp_path / "demo", FILES), ("one", "two", "three")
    for name in rules:
        text = f"name: {name}\nenabled: true\ntrigger: {{type: demo.evt}}\naction: {{ref: demo.note}}\n"
        (pack / "rules" / f"{name}.yaml").write_text(text)
    accepted: list[int] = []
    dice = random.Random(5)
    for round_ in range(2):
        process = stackstorm_server.start(tmp_path, pack)
        url = stackstorm_server.ready(process, tmp_path / "ready.json") + "/v1"
        killer = threading.Timer(dice.uniform(0.1, 0.6), process.kill)
        killer.start()
        try:
            numbers = range(round_ * 10_000, (round_ + 1) * 10_000)
            accepted.extend(n for n in numbers if emit(url, "demo.evt", {"n": n}).status_code == 202)
        except requests.ConnectionError:
            process.communicate()
        killer.join()
    with stackstorm_server.embedded(tmp_path, pack) as again:
        url = f"{again}/v1"
        until(lambda: not get(url, "triggerinstances", status="pending", limit="1"))
        instances = {i["id"]: i["payload"]["n"] for i in every(url, "triggerinstances", trigger="demo.evt")}
        found = {name: every(url, "ruleenforcements", rule_ref=f"demo.{name}") for name in rules}
    assert accepted
    assert len(set(instances.values())) == len(instances)
    assert set(accepted) <= set(instances.values())
    for enforced in found.values():
        assert sorted(e["trigger_instance_id"] for e in enforced) == sorted(instances)
        assert len({e["execution_id"] for e in enforced}) == len(instances)


def every(url: str, path: str, **query: str) -> list[dict[str, Any]]:
    """Give a whole list, page by page."""
    found: list[dict[str, Any]] = []
    while page := get(url, path, offset=str(len(found)), **query):
        found += page
    return found
