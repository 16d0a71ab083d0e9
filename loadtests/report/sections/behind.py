"""How the figures were obtained: settings, machine, versions, control, and every figure with what it rests on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from loadtests.report import wording
from loadtests.report.labels import label
from loadtests.report.markup import Markup, joined, tag
from loadtests.report.sections.course import requests
from loadtests.report.sections.tables import folded, section, table

if TYPE_CHECKING:
    from collections.abc import Mapping


def behind(document: Mapping[str, Any]) -> Markup:
    """Give all else, folded but for the run's machine and code."""
    return section(
        "How it was obtained",
        _facts(document),
        _profiles(document.get("profiles") or {}),
        folded("All figures", _figures(document)),
        folded("The gates' limits and their reasons", _reasons(document)),
        folded("Requests", requests(document)),
        folded("Settings and versions", _settings(document)),
        name="behind",
    )


def _facts(document: Mapping[str, Any]) -> Markup:
    machine = document["machine"]
    commit = document["commit"] or "none"
    facts = {
        "Run": document["run_id"],
        "Commit": commit + (", with changes that are not committed" if document["dirty"] else ""),
        "Machine": machine.get("kind", ""),
        "System": machine.get("system", ""),
        "Control": "; ".join(f"{name} {_short(value)}" for name, value in document["control"].items()),
    }
    return tag("dl", *(joined(tag("dt", name), tag("dd", value)) for name, value in facts.items() if value))


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def _profiles(told: Mapping[str, Any]) -> Markup:
    """Link the flame graphs, each with the functions that took most; say why one is missing."""
    graphs = [
        (tag("a", name, href=each["file"]), "; ".join(f"{share:.0%} {frame}" for frame, share in each["hottest"]))
        for name, each in told.get("graphs", {}).items()
    ]
    missing = [tag("p", each, class_="note") for each in told.get("problems", [])]
    title = tag("h3", "Profiles") if graphs or missing else None
    return joined(title, table(("flame graph", "where most samples ended (waiting among them)"), graphs), *missing)


def _figures(document: Mapping[str, Any]) -> Markup:
    rows = [
        (
            joined(label(each["name"]), " ", tag("code", each["name"])),
            wording.measured(each) if each["value"] is not None else "not measured",
            each["why_not"] or each["about"],
        )
        for each in document["figures"]
    ]
    return table(("figure", "measured (95 %)", "about"), rows)


def _reasons(document: Mapping[str, Any]) -> Markup:
    rows = [(label(row["figure"]), wording.limit(row), row["reason"]) for row in document["verdict"]["gates"]]
    return table(("gate", "limit", "reason"), rows)


def _settings(document: Mapping[str, Any]) -> Markup:
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    return joined(tag("p", versions), tag("pre", json.dumps(document["settings"], indent=1)))
