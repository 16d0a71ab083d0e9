"""The verb for prices that were learnt late: shows first what would change in the warehouse."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import uuid4

import typer

from orchestrator.cli.asking import AsJson, as_data, shown, told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.warehouse.repricing import Repriced, Repricing

NOTHING: Final = Decimal("0.0000000000")
prices = typer.Typer(name="prices", help="What model calls cost.", no_args_is_help=True)


@prices.callback()
def group() -> None:
    """See to the prices of model calls."""


def moment(value: str | None) -> datetime | None:
    """Read a time with an offset (RFC 3339)."""
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise typer.BadParameter(f"expected a time with an offset, as 2026-11-01T00:00:00Z, got {value}")
    return found


@prices.command()
def reprice(
    since: Annotated[str | None, typer.Option("--from", help="Calls at or after this time (RFC 3339).")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Calls before this time.")] = None,
    model: Annotated[str | None, typer.Option(help="Calls of this model alone.")] = None,
    warehouse: Annotated[
        str | None, typer.Option(envvar="REDRIVE_WAREHOUSE_URL", show_envvar=False, help="The warehouse's URL.")
    ] = None,
    prices_file: Annotated[
        Path | None, typer.Option("--prices", envvar="REDRIVE_OWN_PRICES", help="A TOML file of your own prices.")
    ] = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Change them; without it nothing is changed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give calls in the warehouse the prices known by now; shows first what would change, `--yes` changes it."""
    from orchestrator.warehouse.logs import Filter

    wanted = Filter({"model": model} if model else {}, moment(since), moment(until))
    repricing, total = _repricing(warehouse, prices_file), Total(applied=yes)
    try:
        for found in repricing.run(wanted, apply=yes):
            total.add(found)
    finally:
        repricing.engine.dispose()
    if as_json:
        as_data(total.as_data())
        return
    for line in total.lines():
        shown(line)
    if total.changes and not yes:
        told("nothing was changed; the same with --yes changes it")


def _repricing(warehouse: str | None, prices_file: Path | None) -> Repricing:
    """Make it of what the command line says, else of the settings; raises SettingsInvalid, DependencyUnreachable."""
    from sqlalchemy.exc import ArgumentError

    from orchestrator.pricing import read_prices
    from orchestrator.settings import load
    from orchestrator.warehouse.repricing import Repricing
    from orchestrator.warehouse.schema import STORE

    if warehouse is None:
        settings = load()
        warehouse, prices_file = settings.warehouse_url, prices_file or settings.own_prices
    own = read_prices(prices_file)
    try:
        STORE.ready(warehouse)
    except ArgumentError:
        raise typer.BadParameter(
            "expected a SQLAlchemy URL, as sqlite:////folder/file", param_hint="--warehouse"
        ) from None
    actor = f"{os.environ.get('USER') or os.getuid()}, by redrive prices reprice"
    return Repricing(STORE.open(warehouse), own, lambda: datetime.now(UTC), uuid4, actor)


@dataclass(slots=True)
class Sum:
    """What changes for one model."""

    calls: int = 0
    without: int = 0
    before: Decimal = NOTHING
    after: Decimal = NOTHING
    versions: set[str] = field(default_factory=set)

    def as_data(self) -> dict[str, Any]:
        """Give it as data: amounts are text, in USD."""
        return {
            "calls": self.calls,
            "without_price_before": self.without,
            "usd_before": f"{self.before:f}",
            "usd_after": f"{self.after:f}",
            "difference": f"{self.after - self.before:f}",
            "versions_before": sorted(self.versions),
        }


@dataclass(slots=True)
class Total:
    """What changes for each model, and which have no price still."""

    applied: bool
    looked_at: int = 0
    changes: defaultdict[tuple[str, str], Sum] = field(default_factory=lambda: defaultdict(Sum))
    unpriced: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, found: Repriced) -> None:
        """Add what was found among some calls."""
        self.looked_at += found.looked_at
        self.unpriced.update(_named(row) for row in found.unpriced)
        for change in found.changes:
            of_model = self.changes[_named(change.row)]
            of_model.calls += 1
            of_model.without += change.row["usd_cost"] is None
            of_model.before += change.row["usd_cost"] or 0
            of_model.after += change.price.usd or 0
            of_model.versions |= {change.row["pricing_version"] or "none"}

    def as_data(self) -> dict[str, Any]:
        """Give it as data."""
        return {
            "applied": self.applied,
            "looked_at": self.looked_at,
            "changed": sum(each.calls for each in self.changes.values()),
            "difference": f"{self._difference():f}",
            "models": [{"provider": p, "model": m} | each.as_data() for (p, m), each in sorted(self.changes.items())],
            "still_without_price": [
                {"provider": p, "model": m, "calls": calls} for (p, m), calls in sorted(self.unpriced.items())
            ],
        }

    def lines(self) -> list[str]:
        """Give it as lines."""
        models = [
            f"{p} {m}: {each.calls} calls, {each.without} without a price before; "
            f"{each.before:f} -> {each.after:f} USD, by {', '.join(sorted(each.versions))} before"
            for (p, m), each in sorted(self.changes.items())
        ]
        without = [f"{p} {m}: {calls} calls without a price still" for (p, m), calls in sorted(self.unpriced.items())]
        verb = "changed" if self.applied else "would change"
        calls = sum(each.calls for each in self.changes.values())
        last = f"{calls} of {self.looked_at} calls {verb}; the sum of costs grows by {self._difference():f} USD"
        return [*models, *without, last]

    def _difference(self) -> Decimal:
        return sum((each.after - each.before for each in self.changes.values()), NOTHING)


def _named(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["provider"], row["model"]
