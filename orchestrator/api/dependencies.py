"""Dependencies: how each is, by what evidence, what it holds back, and a person's hold of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from orchestrator.api.paging import link_next
from orchestrator.api.schemas import HoldBody
from orchestrator.api.views import incident_view
from orchestrator.domain import budget
from orchestrator.domain.budget import refilled
from orchestrator.domain.dependencies import Dependency
from orchestrator.domain.health import aged, needed, rate
from orchestrator.flows.holding import HoldRequest, expected_dependency, hold_dependency
from orchestrator.flows.obstacles import of_dependency, of_ramp

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from orchestrator.api.needs import Api
    from orchestrator.domain.dependencies import Policy
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.pacing import Ramp
    from orchestrator.domain.release import Release

MOST = 100
MOST_LISTED = 1_000
router = APIRouter(prefix="/api/v1", tags=["dependencies"])


@router.get("/dependencies")
def list_dependencies(
    request: Request,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = 100,
    cursor: str | None = None,
) -> dict[str, Any]:
    """List what tasks lean on, by name: what the settings declare, and whatever something is known of."""
    api: Api = request.app.state.api
    with api.ledger.reading() as tx:
        known = {each.name: each for each in tx.dependencies()}
        behind = sorted(each for each in {*known, *api.policies.named} if cursor is None or each > cursor)
        names, releases = behind[:limit], tx.active_releases()
        shown = [_view(tx, known.get(each) or Dependency(each), api, releases) for each in names]
    link_next(request, response, limit, names)
    return {"dependencies": shown}


@router.get("/dependencies/{name:path}")
def read_dependency(name: str, request: Request) -> dict[str, Any]:
    """Show one, with the incidents that wait for it and the commands that people gave about it."""
    api: Api = request.app.state.api
    with api.ledger.reading() as tx:
        return _whole(tx, expected_dependency(tx, name, api.policies), api)


@router.post("/dependencies/{name:path}/hold")
def hold(name: str, body: HoldBody, request: Request) -> dict[str, Any]:
    """Hold all redrives that lean on it, canaries too, until a person releases them."""
    return _commanded(name, body, request, lift=False)


@router.post("/dependencies/{name:path}/release")
def release(name: str, body: HoldBody, request: Request) -> dict[str, Any]:
    """Lift the hold: its gate and its ramp decide again."""
    return _commanded(name, body, request, lift=True)


def _commanded(name: str, body: HoldBody, request: Request, *, lift: bool) -> dict[str, Any]:
    api: Api = request.app.state.api
    asked = HoldRequest(api.new_id(), request.state.actor, body.reason, api.clock(), lift)
    if body.dry_run:
        with api.ledger.reading() as tx:
            shown = _whole(tx, expected_dependency(tx, name, api.policies), api)
            return {"dry_run": True, "command": asked.kind, **shown}
    with api.ledger.transaction() as tx:
        return asdict(hold_dependency(tx, name, asked, api.policies))


def _whole(tx: LedgerTx, known: Dependency, api: Api) -> dict[str, Any]:
    commands = [asdict(each) for each in tx.commands_about(known.name, MOST)]
    incidents = [incident_view(each) for each in tx.leaning_on(known.name, MOST)]
    return _view(tx, known, api, tx.active_releases()) | {"incidents": incidents, "commands": commands}


def _view(tx: LedgerTx, known: Dependency, api: Api, releases: Sequence[Release]) -> dict[str, Any]:
    """Show a dependency as of now: decayed counts are aged, the budget is filled. `releases` are all active ones."""
    now, policy, ramp = api.clock(), api.policies.of(known.name), tx.ramp(known.name)
    current = refilled(aged(known, now, policy), policy, now)
    ramping = ramp is not None and str(ramp.phase) == "ramping"
    waits = [*of_dependency(known, api.policies, now, ramping=ramping), *(of_ramp(ramp, now) if ramp else ())]
    return {
        "name": known.name,
        "health": known.health,
        "since": known.since,
        "why": known.why,
        "evidence": _evidence(current, policy),
        "ramp": _ramp(tx, ramp, now, releases) if ramp else None,
        "waits_for": waits,
        "budget": {
            "tokens": current.tokens,
            "per_second": budget.rate(current, policy),
            "burst": policy.budget_burst,
        },
        "not_before": known.not_before,
        "hold": {"by": known.held_by, "reason": known.held_reason, "at": known.held_at} if known.held_by else None,
        "probe": {"declared": policy.probed, "next_at": known.probe_at, "last": known.probe_note},
        "open_incidents": tx.open_for(known.name),
        "held_failures": tx.held_for(known.name),
    }


def _evidence(current: Dependency, policy: Policy) -> dict[str, Any]:
    return {
        "failures": round(current.failures, 3),
        "successes": round(current.successes, 3),
        "rate": round(rate(current), 4),
        "half_life_seconds": policy.half_life,
        "passes": current.passes,
        "passes_needed": needed(current, policy),
    }


def _ramp(tx: LedgerTx, ramp: Ramp, now: datetime, releases: Sequence[Release]) -> dict[str, Any]:
    mine = [each for each in releases if each.ramp == ramp.name]
    return {
        "phase": ramp.phase,
        "window": round(ramp.window, 2),
        "tries": ramp.tries,
        "gate_at": ramp.gate_at,
        "in_flight": sum(tx.members(each).in_flight for each in mine),
        "releases": len(mine),
        "why": ramp.why or next(iter(of_ramp(ramp, now)), None),
    }
