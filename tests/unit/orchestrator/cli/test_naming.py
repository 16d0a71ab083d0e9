"""Short ids: what begins so is found, what is ambiguous is listed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.cli import naming
from orchestrator.cli.answers import Refusal
from orchestrator.cli.naming import incident_of, recovery_of, short
from tests.recovery import failed_event

if TYPE_CHECKING:
    from tests.unit.orchestrator.api.conftest import Served
    from tests.unit.orchestrator.cli.conftest import Answering

ID = "3f2a91c0-0000-4000-8000-000000000000"


def test_an_id_is_as_short_as_tells_it_from_others() -> None:
    """Eight characters, and more where another begins with the same."""
    assert short(ID) == "3f2a91c0"
    assert short(ID, [ID, "3f2a91c0-0001-4000-8000-000000000000"]) == "3f2a91c0-0000"


def test_an_incident_is_found_by_the_beginning_of_its_id(api: Served) -> None:
    """Four characters are enough; upper case is the same; a whole id is not asked for."""
    api.scene.take_in(failed_event(1))
    whole = str(api.scene.incident.id)
    assert incident_of(api.url, whole[:4].upper()) == whole
    assert incident_of("http://127.0.0.1:9", whole) == whole


def test_a_recovery_is_found_on_whatever_page_it_stands(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of three, of which a page holds one."""
    monkeypatch.setattr(naming, "PAGE", 1)
    begun = []
    for number in range(3):
        api.scene.take_in(failed_event(number, task=f"app.call{number}"))
        asked = {"query": {"task": f"app.call{number}"}, "reason": "it is back"}
        answer = api.ask("POST", "/recovery/retry", asked, headers={"Idempotency-Key": f"k{number}"})
        begun.append(answer.json()["id"])
    assert [recovery_of(api.url, each[:8]) for each in begun] == begun


@pytest.mark.parametrize("given", ["3f2", "zzzz", "", "../x"])
def test_what_is_no_beginning_is_refused(api: Served, given: str) -> None:
    """With what was expected, and the command that lists them."""
    with pytest.raises(Refusal, match=r"at least 4 characters(.|\n)*next: redrive incidents list"):
        incident_of(api.url, given)


def test_an_ambiguous_beginning_lists_who_is_meant(fake: Answering) -> None:
    """Each that begins so is named, five at most, over all pages."""
    ids = [f"3f2a{number:04x}-0000-4000-8000-000000000000" for number in range(7)]
    fake.say("GET", "/api/v1/incidents", {"incidents": [{"id": each} for each in ids]})
    with pytest.raises(Refusal, match=r"7 incidents begin with 3f2a(.|\n)*and 2 more") as refused:
        incident_of(fake.url, "3f2a")
    assert set(ids[:5]) <= set(str(refused.value).split())
    assert incident_of(fake.url, "3f2a0003") == ids[3]


def test_one_that_is_open_is_meant_before_one_that_is_closed(fake: Answering) -> None:
    """Those of last year are looked at only where none that is open begins so."""
    fake.say("GET", "/api/v1/incidents", {"incidents": []}, {"incidents": [{"id": ID}]})
    assert incident_of(fake.url, "3f2a") == ID
    assert ["state=open" in path for _, path, _ in fake.asked] == [True, False]
