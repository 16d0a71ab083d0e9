"""Prices that were learnt late: shown first, then applied, with what was before told for ever."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from eventbus.wire import LLM_CALL
from orchestrator.cli import typer_app
from orchestrator.domain.events import Price, PricingStatus
from orchestrator.pricing import VERSION, Prices, read_prices
from orchestrator.warehouse import repricing
from orchestrator.warehouse.logs import Filter
from orchestrator.warehouse.repricing import Repricing
from orchestrator.warehouse.rollups import refresh
from orchestrator.warehouse.schema import audit_logs, cost_hours, event_logs, model_cost_logs
from tests.events import CALL, NOON, event, record

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from orchestrator.domain.events import EventRecord
    from tests.unit.orchestrator.warehouse.conftest import Warehouse

UNKNOWN = Price(PricingStatus.MISSING, None, "genai-prices 0.0.1")
OWN = """
[[price]]
provider = "ours"
model = "tuned"
input = "2.50"
output = 10
cache_read = 0.3

[[price]]
provider = "ours"
model = "tuned"
since = 2025-11-20T12:30:00Z
input = "0.0001"
output = "0.0003"
"""


def call(model: str = "tuned", provider: str = "ours", price: Price = UNKNOWN, at: datetime = NOON) -> EventRecord:
    """Make a call of 100 tokens in, 40 of them from a cache, and 50 out."""
    data = CALL | {"gen_ai.provider.name": provider, "gen_ai.request.model": model}
    data |= {"gen_ai.usage.cache_read.input_tokens": 40}
    return replace(record(event(LLM_CALL, data), price=price), time=at)


def own(tmp_path: Path) -> Path:
    """Write a file of own prices."""
    path = tmp_path / "prices.toml"
    path.write_text(OWN)
    return path


def repriced(warehouse: Warehouse, prices: Prices, *, apply: bool, **wanted: Any) -> list[tuple[int, int, int]]:
    """Price calls anew; what was looked at, changed and left without a price, by batches."""
    work = Repricing(warehouse.engine, prices, lambda: NOON, uuid4, "ann")
    return [(each.looked_at, len(each.changes), len(each.unpriced)) for each in work.run(Filter(**wanted), apply=apply)]


def test_a_price_that_was_learnt_late_is_applied(warehouse: Warehouse, tmp_path: Path) -> None:
    """Row, event and hour have the price; the audit tells amount and list of before; what has none stays NULL."""
    known, stranger = call(), call("nobody")
    warehouse.deliver(known, stranger)
    while refresh(warehouse.engine):
        pass
    prices = read_prices(own(tmp_path))
    assert repriced(warehouse, prices, apply=True) == [(2, 1, 1)]
    rows = {row["id"]: row for row in warehouse.rows(model_cost_logs)}
    usd = Decimal("0.0006620000")
    assert rows[str(known.key)].items() >= {"usd_cost": usd, "pricing_status": "priced"}.items()
    assert rows[str(known.key)]["pricing_version"] == prices.version
    assert "usd_cost" not in rows[str(stranger.key)]
    assert rows[str(stranger.key)]["pricing_status"] == "missing"
    assert [row["usd_cost"] for row in warehouse.rows(event_logs) if "usd_cost" in row] == [usd]
    (audit,) = warehouse.rows(audit_logs)
    assert audit.items() >= {"what": "price.changed", "actor": "ann", "usd_cost": usd, "agent_id": "planner"}.items()
    told = json.loads(audit["details"])
    assert told["id"] == str(known.key)
    assert told["before"] == {"usd_cost": None, "pricing_status": "missing", "pricing_version": UNKNOWN.version}
    assert told["after"]["usd_cost"] == "0.0006620000"
    refresh(warehouse.engine)
    assert sum(row.get("usd_cost", 0) for row in warehouse.rows(cost_hours)) == usd
    assert repriced(warehouse, prices, apply=True) == [(2, 0, 1)]
    assert len(warehouse.rows(audit_logs)) == 1


def test_an_event_that_comes_again_keeps_its_new_price(warehouse: Warehouse, tmp_path: Path) -> None:
    """A replay of what was loaded takes no price away."""
    made = call()
    warehouse.deliver(made)
    repriced(warehouse, read_prices(own(tmp_path)), apply=True)
    warehouse.deliver(made)
    assert warehouse.rows(model_cost_logs)[0]["usd_cost"] == Decimal("0.0006620000")


def test_another_price_list_changes_what_it_prices_otherwise(warehouse: Warehouse) -> None:
    """A call that another list priced wrongly is changed; one that it priced alike stays, its list named too."""
    wrong = Price(PricingStatus.PRICED, Decimal("0.5"), "list 1")
    right = Price(PricingStatus.PRICED, Decimal("0.0007000000"), "list 1")
    warehouse.deliver(call("gpt-4o", "openai", wrong), call("gpt-4o", "openai", right))
    assert repriced(warehouse, Prices(), apply=True) == [(2, 1, 0)]
    rows = {(row["usd_cost"], row["pricing_version"]) for row in warehouse.rows(model_cost_logs)}
    assert rows == {(Decimal("0.0007"), VERSION), (Decimal("0.0007"), "list 1")}
    assert warehouse.rows(audit_logs)[0]["usd_cost"] == Decimal("-0.4993")


def test_nothing_is_changed_unless_it_is_asked_for(warehouse: Warehouse, tmp_path: Path) -> None:
    """A dry run tells the same numbers, and writes nothing."""
    warehouse.deliver(call(), call("nobody"))
    before = warehouse.rows(model_cost_logs)
    assert repriced(warehouse, read_prices(own(tmp_path)), apply=False) == [(2, 1, 1)]
    assert warehouse.rows(model_cost_logs) == before
    assert warehouse.rows(audit_logs) == []


def test_only_what_was_asked_for_is_changed_in_batches(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By time and model, each call once, whatever their order; broken off and begun again it completes."""
    monkeypatch.setattr(repricing, "AT_ONCE", 3)
    moments = [NOON + timedelta(seconds=each // 2) for each in range(10)]
    random.Random(3).shuffle(moments)
    warehouse.deliver(*(call(at=at) for at in moments), call("nobody"))
    wanted = {"equal": {"model": "tuned"}, "since": NOON + timedelta(seconds=1), "until": NOON + timedelta(seconds=4)}
    prices = read_prices(own(tmp_path))
    work = Repricing(warehouse.engine, prices, lambda: NOON, uuid4, "ann").run(Filter(**wanted), apply=True)
    assert len(next(work).changes) == 3
    assert sum(changed for _, changed, _ in repriced(warehouse, prices, apply=True, **wanted)) == 3
    assert len(warehouse.rows(audit_logs)) == 6
    changed = [row["created_at"] for row in warehouse.rows(model_cost_logs) if "usd_cost" in row]
    assert {(at - NOON).total_seconds() for at in changed} == {1, 2, 3}


def test_a_call_whose_event_is_gone_is_priced_by_its_columns(warehouse: Warehouse, tmp_path: Path) -> None:
    """Rows of event_logs may be deleted earlier: parts of the tokens are known all the same."""
    warehouse.deliver(call())
    warehouse.execute("DELETE FROM event_logs")
    assert repriced(warehouse, read_prices(own(tmp_path)), apply=True) == [(1, 1, 0)]
    assert warehouse.rows(model_cost_logs)[0]["usd_cost"] == Decimal("0.0006620000")


def run(warehouse: Warehouse, *words: str) -> Result:
    """Run the verb."""
    return CliRunner().invoke(typer_app, ["prices", "reprice", "--warehouse", warehouse.url, *words])


def test_the_verb_shows_first_and_changes_when_told(warehouse: Warehouse, tmp_path: Path) -> None:
    """Without --yes the sums by model and no change; with it the same sums, and the change."""
    warehouse.deliver(call(), call(), call("nobody"))
    words = ("--prices", str(own(tmp_path)))
    shown = run(warehouse, *words)
    assert shown.exit_code == 0
    assert "ours tuned: 2 calls, 2 without a price before; 0.0000000000 -> 0.0013240000 USD" in shown.stdout
    assert "ours nobody: 1 calls without a price still" in shown.stdout
    assert "2 of 3 calls would change; the sum of costs grows by 0.0013240000 USD" in shown.stdout
    assert "--yes" in shown.stderr
    told = json.loads(run(warehouse, *words, "--json", "--yes").stdout)
    assert (told["applied"], told["looked_at"], told["changed"], told["difference"]) == (True, 3, 2, "0.0013240000")
    assert told["models"][0].items() >= {"model": "tuned", "calls": 2, "versions_before": [UNKNOWN.version]}.items()
    assert told["still_without_price"] == [{"provider": "ours", "model": "nobody", "calls": 1}]
    assert json.loads(run(warehouse, *words, "--json").stdout)["changed"] == 0


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--from", "yesterday"), 2),
        (("--to", "2025-01-01T00:00:00"), 2),
        (("--prices", "/nowhere/prices.toml"), 1),
        (("--warehouse", "nonsense"), 2),
    ],
)
def test_wrong_words_are_told_before_anything_is_read(warehouse: Warehouse, words: tuple[str, ...], code: int) -> None:
    """A time without an offset, a file that is not there, an address that is none: an error that names it."""
    done = run(warehouse, *words)
    assert done.exit_code == code


def test_own_prices_hold_since_their_moment(tmp_path: Path) -> None:
    """The newest price that held at the time of the call, to ten decimals; before any of them the list's."""
    prices = read_prices(own(tmp_path))
    data = CALL | {"gen_ai.provider.name": "ours", "gen_ai.request.model": "tuned"}
    assert prices.price(data, NOON).usd == Decimal("0.0007500000")
    assert prices.price(data, NOON + timedelta(hours=1)).usd == Decimal("0.0000000250")
    assert prices.price(CALL, NOON) == Prices().price(CALL, NOON)
    assert prices.price(data | {"gen_ai.usage.cache_read.input_tokens": 101}, NOON).status is PricingStatus.MISSING
    assert prices.price(data | {"gen_ai.usage.output_tokens": None}, NOON).status is PricingStatus.MISSING


@pytest.mark.parametrize(
    "text",
    [
        "price = 1",
        "[[price]]\nprovider = 'a'\nmodel = 'b'\ninput = 1",
        "[[price]]\nprovider = 'a'\nmodel = 'b'\ninput = 1\noutput = -1",
        "[[price]]\nprovider = 'a'\nmodel = 'b'\ninput = 1\noutput = nan",
        "[[price]]\nprovider = 'a'\nmodel = 'b'\ninput = 1\noutput = true",
        "[[price]]\nprovider = 'a'\nmodel = 'b'\ninput = 1\noutput = 'much'",
        "[[price]]\nprovider = 'a'\nmodel = 'b'\ninput = 1\noutput = 1\nsince = 2025-01-01",
        "[[price]]\nprovider = 'a'\nmodel = 'b'\ninput = 1\noutput = 1\nresoning = 1",
        "not toml",
    ],
)
def test_a_wrong_file_of_prices_is_refused_at_the_start(tmp_path: Path, text: str) -> None:
    """What is wrong is told with the name of the file, before any call is priced by it."""
    path = tmp_path / "prices.toml"
    path.write_text(text)
    with pytest.raises(Exception, match=r"REDRIVE_OWN_PRICES: .*prices\.toml"):
        read_prices(path)
