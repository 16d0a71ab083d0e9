"""Short ids: what is listed by the beginning of its id is found by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import typer

from orchestrator.cli.answers import Refusal
from orchestrator.cli.asking import call, pages
from orchestrator.cli.safety import safe
from orchestrator.domain.incidents import UNDECIDED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SHORT: Final = 8
LEAST: Final = 4
MOST_NAMED: Final = 5
# Recoveries on a page, the most that the API gives.
PAGE: Final = 100
OPEN: Final = "&".join(f"state={each}" for each in UNDECIDED)


def short(of: str, among: Iterable[str] = ()) -> str:
    """Give the beginning of an id: eight characters, or as many as tell it from the others."""
    others = [each for each in among if each != of]
    return next((of[:many] for many in range(SHORT, len(of)) if not _begin(others, of[:many])), of)


def incident_of(api: str, given: str) -> str:
    """Give the id of the incident that is meant: an id, or the beginning of one, first of those that are open.

    Raises Refusal when none, or more than one, begins so.
    """
    if _whole(given):
        return given
    listed = (f"/api/v1/incidents?limit=1000&{OPEN}", "/api/v1/incidents?limit=1000")
    return _meant(given, (_listed(api, path, "incidents") for path in listed), "incident", "redrive incidents list")


def recovery_of(api: str, given: str) -> str:
    """Give the id of the recovery that is meant, as with incidents."""
    if _whole(given):
        return given
    found = _listed(api, f"/api/v1/recovery/retries?limit={PAGE}", "retries")
    return _meant(given, [found], "recovery", "redrive recoveries list")


def failure_named(given: str, where: str = "") -> str:
    """Give the id of a failure as typed; raises BadParameter unless it is whole: beginnings name too many."""
    if _whole(given):
        return given
    place = f"{where}: " if where else ""
    raise typer.BadParameter(
        f"{place}expected the whole id of a failure, 36 characters, got {safe(given)!r}; see redrive failures list"
    )


def healths(api: str) -> dict[str, str]:
    """Tell how each dependency is, by its name; `held` where a person holds it."""
    found = call("GET", api, "/api/v1/dependencies?limit=1000")["dependencies"]
    return {each["name"]: "held" if each["hold"] else each["health"] for each in found}


def _listed(api: str, path: str, member: str) -> Iterator[dict[str, Any]]:
    for page in pages(api, path):
        yield from page[member]


def _meant(given: str, lists: Iterable[Iterable[dict[str, Any]]], kind: str, verb: str) -> str:
    if len(given) < LEAST or not set(given.lower()) <= set("0123456789abcdef-"):
        raise Refusal(
            f"expected the id of a known {kind}, or at least {LEAST} characters of its beginning, got"
            f" {safe(given)!r}\nnext: {verb}"
        )
    for each in lists:
        found = [one["id"] for one in each if one["id"].startswith(given.lower())]
        if len(found) == 1:
            return str(found[0])
        if found:
            named = "\n".join(f"  {safe(one)}" for one in found[:MOST_NAMED])
            more = f"\n  and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
            raise Refusal(f"{len(found)} {kind}s begin with {given}: name one with more of its id\n{named}{more}")
    raise Refusal(f"expected the id of a known {kind}, got {given}, with which none begins\nnext: {verb}")


def _begin(ids: Iterable[str], start: str) -> bool:
    return any(each.startswith(start) for each in ids)


def _whole(given: str) -> bool:
    try:
        UUID(given)
    except ValueError:
        return False
    return len(given) == 36  # noqa: PLR2004 - as it is written with hyphens
