"""Faults: read, refused with the key's name, and the same calls each time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from loadtests.faults import FaultKind, FaultsInvalid, load, parse

if TYPE_CHECKING:
    from pathlib import Path


def test_the_default_names_every_kind() -> None:
    """The shipped mix has each kind of fault, and an outage at its beginning."""
    faults = load()
    assert faults.kinds == list(FaultKind)
    found = faults.at(faults.entries[0].at or 0)
    assert found is not None
    assert found.kind is FaultKind.OUTAGE


def test_the_first_300_calls_meet_each_kind_that_has_a_share() -> None:
    """A short demo shows all of the default mix."""
    faults = load()
    met = {fault.kind for call in range(300) if (fault := faults.of_call(call))}
    assert met == {each.kind for each in faults.entries if each.share}


@pytest.mark.parametrize("share", [0.001, 0.01, 0.3, 1])
def test_a_share_is_met_to_one_call_in_each_row(share: float) -> None:
    """Of each 1/share calls in a row exactly one is chosen, the same one each time."""
    faults = parse({"seed": 3, "faults": [{"kind": "malformed", "share": share}]})
    period = round(1 / share)
    chosen = [call for call in range(period * 5) if faults.of_call(call)]
    assert [call // period for call in chosen] == list(range(5))
    again = parse({"seed": 3, "faults": [{"kind": "malformed", "share": share}]})
    assert chosen == [call for call in range(period * 5) if again.of_call(call)]


def test_a_fault_by_time_holds_from_its_beginning_to_before_its_end() -> None:
    """The window is half open."""
    faults = parse({"faults": [{"kind": "outage", "at_seconds": 2, "for_seconds": 3}]})
    assert [faults.at(second) is not None for second in (1.9, 2, 4.9, 5)] == [False, True, True, False]


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ([], "table"),
        ({"sede": 1}, "sede"),
        ({"seed": "x"}, "seed"),
        ({"seed": True}, "seed"),
        ({"faults": {}}, "faults"),
        ({"faults": ["x"]}, "faults[0]"),
        ({"faults": [{"kind": "flood", "share": 1}]}, "faults[0].kind"),
        ({"faults": [{"kind": "slow", "share": 0}]}, "faults[0].share"),
        ({"faults": [{"kind": "slow", "share": 1.1}]}, "faults[0].share"),
        ({"faults": [{"kind": "slow", "share": float("nan")}]}, "faults[0].share"),
        ({"faults": [{"kind": "slow", "share": 1, "at_seconds": 1}]}, "faults[0].at_seconds"),
        ({"faults": [{"kind": "outage", "at_seconds": 1}]}, "faults[0].for_seconds"),
        ({"faults": [{"kind": "outage", "at_seconds": -1, "for_seconds": 1}]}, "faults[0].at_seconds"),
        ({"faults": [{"kind": "killed", "at_seconds": 1, "for_seconds": 1}]}, "faults[0].share"),
        ({"faults": [{"kind": "slow", "share": 1, "slow_seconds": "1"}]}, "faults[0].slow_seconds"),
        ({"faults": [{"kind": "slow", "share": 1, "colour": 1}]}, "faults[0].colour"),
    ],
)
def test_what_is_wrong_is_refused_with_its_key(content: object, key: str) -> None:
    """The error names the key, what was expected and what came."""
    with pytest.raises(FaultsInvalid) as refused:
        parse(content)
    assert key in str(refused.value)
    assert "expected" in str(refused.value)


def test_a_file_may_be_toml_or_json(tmp_path: Path) -> None:
    """Both say the same; text that is neither is refused with the file's name."""
    toml, as_json, broken = tmp_path / "a.toml", tmp_path / "a.json", tmp_path / "b.toml"
    toml.write_text('seed = 1\n[[faults]]\nkind = "timeout"\nshare = 0.5\n')
    as_json.write_text(json.dumps({"seed": 1, "faults": [{"kind": "timeout", "share": 0.5}]}))
    broken.write_text("seed =")
    assert load(toml) == load(as_json)
    with pytest.raises(FaultsInvalid, match=r"b\.toml"):
        load(broken)
