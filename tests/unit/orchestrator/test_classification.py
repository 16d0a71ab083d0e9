"""The rules of classification in the settings: what is wrong is told by its place, and no pattern can stop intake."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.classification import MOST_RULES, matcher
from orchestrator.domain.classify import Case, judge
from orchestrator.domain.errors import SettingsInvalid
from orchestrator.domain.failures import ExceptionFacts, Kind, Way
from orchestrator.settings import Settings, load

if TYPE_CHECKING:
    from pathlib import Path

NEEDED = {
    "bus_url": "redrive+sqlite:////tmp/bus.sqlite",
    "ledger_url": "sqlite:////tmp/ledger.sqlite",
    "eventlog_url": "sqlite:////tmp/events.sqlite",
    "warehouse_url": "sqlite:////tmp/warehouse.sqlite",
    "stackstorm_url": "http://127.0.0.1:9101",
}
GOOD = {"task": "shop.*", "kind": "permanent", "reason": "so"}
FILE = """
[[classify]]
name = "nightly"
dependency = ["bank", "mint"]
status = ["5xx", 409]
message = '(?i)closed (until|for) \\w+'
captured = "exception"
kind = "dependency_down"
reason = "the bank is closed at night"

[[classify]]
type = "shop.Odd"
kind = "poison"
reason = "never again"
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give what is needed in the environment, and nothing else."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"REDRIVE_{name.upper()}", raising=False)
    for name, value in NEEDED.items():
        monkeypatch.setenv(f"REDRIVE_{name.upper()}", value)


def case(message: str = "", **facts: Any) -> Case:
    """Make what is known of a failure of the bank."""
    return Case(Way.EXCEPTION, ExceptionFacts("shop.BankError", message, **facts), task="shop.pay", dependency="bank")


def test_tables_of_the_file_are_rules_in_their_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A condition given alone counts as a list of one, `5xx` as a hundred statuses; the reason names the rule."""
    path = tmp_path / "redrive.toml"
    path.write_text(FILE)
    monkeypatch.setenv("REDRIVE_SETTINGS_FILE", str(path))
    first, second = rules = load().own_rules
    assert judge(case("Closed for business", status=503), rules).told == (
        "the bank is closed at night [settings rule 1: nightly]"
    )
    assert judge(case("closed until nine", status=409), rules).kind is Kind.DEPENDENCY_DOWN
    assert judge(case("open", status=503), rules).kind is Kind.TRANSIENT
    assert judge(case("closed until nine", status=404), rules).kind is Kind.PERMANENT
    assert (first.status, second.name) == (frozenset({*range(500, 600), 409}), "settings rule 2")


def test_the_environment_holds_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """A JSON list replaces that of the file; an empty variable is none."""
    monkeypatch.setenv("REDRIVE_CLASSIFY", json.dumps([GOOD]))
    assert judge(case(), load().own_rules).kind is Kind.PERMANENT
    monkeypatch.setenv("REDRIVE_CLASSIFY", "")
    assert load().own_rules == ()


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ("[{", r"REDRIVE_CLASSIFY: .*expected a JSON list of rules"),
        ('{"kind": "permanent"}', r"REDRIVE_CLASSIFY: "),
        ("[7]", r"REDRIVE_CLASSIFY\[0\]: .*expected a table"),
        ([GOOD, GOOD | {"kind": "lasting"}], r"REDRIVE_CLASSIFY\[1\]\.kind: .*'transient'.*'poison'"),
        ([{"task": "x", "kind": "permanent"}], r"REDRIVE_CLASSIFY\[0\]\.reason: expected a value, got none"),
        ([GOOD | {"reason": ""}], r"REDRIVE_CLASSIFY\[0\]\.reason: "),
        ([GOOD | {"tusk": "x"}], r"REDRIVE_CLASSIFY\[0\]: .*got 'tusk'; did you mean task\?"),
        ([GOOD | {"zzz": "x"}], r"REDRIVE_CLASSIFY\[0\]: .*got 'zzz'; known are kind, reason"),
        ([{"kind": "permanent", "reason": "so"}], r"REDRIVE_CLASSIFY\[0\]: .*it would match everything"),
        ([GOOD | {"task": ""}], r"REDRIVE_CLASSIFY\[0\]\.task\[0\]: "),
        ([GOOD | {"task": 7.5}], r"REDRIVE_CLASSIFY\[0\]\.task: "),
        ([GOOD | {"status": 99}], r"REDRIVE_CLASSIFY\[0\]\.status\[0\]: "),
        ([GOOD | {"status": "6xx"}], r"REDRIVE_CLASSIFY\[0\]\.status\[0\]: "),
        ([GOOD | {"status": True}], r"REDRIVE_CLASSIFY\[0\]\.status: "),
        ([GOOD | {"captured": "killed"}], r"REDRIVE_CLASSIFY\[0\]\.captured\[0\]: .*'child_killed'"),
        ([GOOD | {"name": "two words"}], r"REDRIVE_CLASSIFY\[0\]\.name: "),
        ([GOOD | {"message": "("}], r"REDRIVE_CLASSIFY\[0\]\.message: .*got '\('.*unclosed group"),
        ([GOOD | {"message": "(?=x)"}], r"REDRIVE_CLASSIFY\[0\]\.message: .*look-around"),
        ([GOOD | {"message": r"(a)\1"}], r"REDRIVE_CLASSIFY\[0\]\.message: .*backreferences"),
        ([GOOD | {"message": "(a{100}){100}"}], r"REDRIVE_CLASSIFY\[0\]\.message: .*multiply to at most 1000"),
        ([GOOD | {"message": "a" * 201}], r"REDRIVE_CLASSIFY\[0\]\.message: "),
        ([GOOD] * (MOST_RULES + 1), r"REDRIVE_CLASSIFY: .*at most 200"),
    ],
    ids=str,
)
def test_a_wrong_rule_is_told_by_its_place(monkeypatch: pytest.MonkeyPatch, rules: object, told: str) -> None:
    """The error names the rule, counted from 0 as TOML and JSON do, and the key in it."""
    monkeypatch.setenv("REDRIVE_CLASSIFY", rules if isinstance(rules, str) else json.dumps(rules))
    with pytest.raises(SettingsInvalid, match=told):
        load()


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(a*)*(a*)*c", r"^(\w+\s?)*$", "(.*a){12}x", "(a?){30}a{30}"])
def test_a_pattern_that_hangs_other_engines_ends_here(pattern: str) -> None:
    """Python's own `re` would need longer than the universe has for these; the test's time-out tells."""
    for text in ("a" * 4_000 + "!", "a " * 2_000 + "!"):
        assert matcher(pattern)(text) in {True, False}


def test_a_pattern_is_searched_in_unicode() -> None:
    """It may match anywhere, and letters are those of every script."""
    assert matcher(r"(?i)GRÖẞE \w+")("die größe überall")
    assert not matcher("^b")("ab")
