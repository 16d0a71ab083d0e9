"""The service over HTTP. It answers at once: a run is a process of its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.responses import FileResponse

from loadtests.serving import telling
from loadtests.serving.access import let_in
from loadtests.serving.bodies import REPORTS, NightsQuery, RunBody, listed, shown
from loadtests.serving.nights import Nightly, missed
from loadtests.serving.problems import Problem, handle_problems
from loadtests.serving.run import Outcome, State, unreadable

if TYPE_CHECKING:
    from loadtests.serving.desk import Desk, Run

MOST: Final = 1_000
# A report is a page without scripts that loads nothing.
SAFE: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; sandbox",
    "X-Content-Type-Options": "nosniff",
}


def create_app(desk: Desk, token: str, tell: telling.Tell, public_url: str | None = None) -> FastAPI:
    """Make the application over an open desk; with an empty token it serves this machine alone.

    `public_url` is where people reach it, ending with a slash; without one, what whoever asks calls it.
    """

    def admit(request: Request) -> None:
        let_in(request.headers, token)

    app = FastAPI(title="Load tests", dependencies=[Depends(admit)], docs_url=None, redoc_url=None)
    app.state.desk, app.state.tell, app.state.public_url = desk, tell, public_url
    handle_problems(app)
    app.include_router(router)
    return app


router = APIRouter()


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


def _found(run_id: str, request: Request) -> Run:
    """Give the run that a path names."""
    run = _desk(request).run(run_id)
    if run is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"expected a run that is known, got {run_id}; GET /runs lists them")
    return run


@router.get("/livez")
def live() -> dict[str, str]:
    """Say that the service answers."""
    return {"status": "ok"}


@router.post("/runs", status_code=HTTPStatus.ACCEPTED)
def start(body: RunBody, request: Request, response: Response) -> dict[str, Any]:
    """Start a run: 202. 200 with the run that its key was given for before, 409 while another one goes."""
    run, new = _desk(request).start(body.wanted())
    response.status_code = HTTPStatus.ACCEPTED if new else HTTPStatus.OK
    response.headers["Location"] = f"/runs/{run.record.id}"
    return shown(run)


@router.get("/runs")
def runs(request: Request, limit: Annotated[int, Query(ge=1, le=MOST)] = 100) -> dict[str, Any]:
    """List the newest runs, newest first."""
    return {"runs": [listed(each) for each in reversed(_desk(request).runs()[-limit:])]}


@router.get("/runs/missed")
def missed_nights(asked: Annotated[NightsQuery, Query()], request: Request) -> dict[str, Any]:
    """Tell at which planned times no run of a scenario began, and which runs ended without a pass (`no_pass`: id,
    verdict, why), oldest first; nothing of before the service's first start.
    """
    desk, now = _desk(request), datetime.now(UTC)
    since = max(now - timedelta(days=asked.days), desk.shelf.since())
    played = [each for each in desk.runs() if each.record.wanted.scenario == asked.scenario]
    planned = Nightly(asked.at, ZoneInfo(asked.timezone)).between(since, now)
    begun = [each.record.started_at for each in played]
    nights = missed(planned, begun, now, timedelta(minutes=asked.grace_minutes))
    return {
        "scenario": asked.scenario,
        "planned": len(planned),
        "missed": [each.isoformat() for each in nights],
        "no_pass": [
            {"id": each.record.id, "verdict": verdict.outcome, "why": verdict.why}
            for each in played
            if each.record.started_at >= since and (verdict := each.verdict) and verdict.outcome is not Outcome.PASSED
        ],
    }


@router.get("/runs/{run_id}")
def read(run_id: str, request: Request) -> dict[str, Any]:
    """Show a run."""
    return shown(_found(run_id, request))


@router.delete("/runs/{run_id}")
def stop(run_id: str, request: Request, response: Response) -> dict[str, Any]:
    """Stop a run that goes: 202, and it ends within two minutes; one that has ended stays as it is."""
    run = _found(run_id, request)
    asked = _desk(request).stop(run.record.id) or run
    response.status_code = HTTPStatus.ACCEPTED if asked.state is State.RUNNING else HTTPStatus.OK
    return shown(asked)


@router.get("/runs/{run_id}/comparison")
def comparison(run_id: str, request: Request) -> dict[str, Any]:
    """Tell how a run stands against those before it: which figures are worse by the history's test."""
    return telling.compared(_document(_found(run_id, request)), _desk(request).out / "history")


@router.post("/runs/{run_id}/tell")
def tell(run_id: str, request: Request) -> dict[str, Any]:
    """Tell the orchestrator what a run found, as an event, the same one each time; 503 where it takes none."""
    page = f"{request.app.state.public_url or request.base_url}runs/{run_id}/report.html"
    done: dict[str, Any] = request.app.state.tell(_document(_found(run_id, request)), page)
    if not done["accepted"]:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, f"expected the orchestrator to take the event, got {done['why']}")
    return done


@router.get("/runs/{run_id}/log.txt")
def log(run_id: str, request: Request) -> FileResponse:
    """Give what the run has printed."""
    return FileResponse(
        _found(run_id, request).record.folder / "log.txt", media_type="text/plain; charset=utf-8", headers=SAFE
    )


@router.get("/runs/{run_id}/{name}")
def report(run_id: str, name: str, request: Request) -> FileResponse:
    """Give a report of a run that has one."""
    run = _found(run_id, request)
    if name not in REPORTS or not run.report or not (run.report / name).is_file():
        had = ", ".join(shown(run)["links"]) or "no report"
        raise Problem(HTTPStatus.NOT_FOUND, f"expected a report of the run, got {name}; it has {had}")
    return FileResponse(run.report / name, media_type=REPORTS[name], headers=SAFE)


def _document(run: Run) -> dict[str, Any]:
    try:
        document = run.document()
    except (OSError, ValueError) as error:
        raise Problem(HTTPStatus.CONFLICT, unreadable(error).why) from None
    if document is None:
        raise Problem(HTTPStatus.CONFLICT, f"expected a run with a report, got one that is {run.state} and has none")
    return document
