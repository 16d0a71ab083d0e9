"""Short ids: what begins so is found, what is ambiguous is listed."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from orchestrator.cli.answers import Refusal
from orchestrator.cli.naming import incident_of, short
from tests.recovery import failed_event

if TYPE_CHECKING:
    from tests.unit.orchestrator.api.conftest import Served

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


@pytest.mark.parametrize("given", ["3f2", "zzzz", "", "../x"])
def test_what_is_no_beginning_is_refused(api: Served, given: str) -> None:
    """With what was expected, and the command that lists them."""
    with pytest.raises(Refusal, match=r"at least 4 characters(.|\n)*next: redrive incidents list"):
        incident_of(api.url, given)


def test_an_ambiguous_beginning_lists_who_is_meant(api: Served) -> None:
    """Of 400 incidents some begin alike with four characters: each is named."""
    api.scene.take_in(
        *(failed_event(each, task=f"app.task{'abcdefghij'[each % 10]}{each // 10 * 'x'}") for each in range(300))
    )
    ids = sorted(str(each.id) for each in api.scene.all_incidents())
    one, other = next(pair for pair in pairwise(ids) if pair[0][:4] == pair[1][:4])
    with pytest.raises(Refusal) as refused:
        incident_of(api.url, one[:4])
    assert {one, other} <= set(str(refused.value).split())
