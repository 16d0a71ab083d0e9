"""Errors as problems (RFC 9457): what was expected, what came, what to do. No traceback, no secret."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import structlog
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException

from eventbus import scrub
from orchestrator.api.actors import NameRefused
from orchestrator.api.advice import about
from orchestrator.api.ingest.paths import SDK
from orchestrator.api.ingest.working import Busy
from orchestrator.api.ingest.write_keys import WrongKey
from orchestrator.api.schemas import Problem
from orchestrator.domain.errors import (
    Conflict,
    DependencyUnreachable,
    IllegalTransition,
    Invalid,
    InvalidPlan,
    NotFound,
    NotRedrivable,
    Outdated,
    Unstorable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI, Request, Response

PAGE: Final = "docs/problems.md"
RETRY_AFTER_SECONDS: Final = 5
TRACEPARENT_PARTS: Final = 4
log = structlog.get_logger("redrive.api")


class Unauthorized(Exception):
    """The request carries no token, or another one than was set."""


class KeyReused(Exception):
    """An Idempotency-Key came again with another request."""


class KeyMissing(Exception):
    """A command for many failures or events came without an Idempotency-Key."""

    def __init__(self, what: str = "a whole incident") -> None:
        super().__init__(f"expected the header Idempotency-Key with a command for {what}, got none")


class TooManyStreams(Exception):
    """More streams of events are open than are served at once."""


class CursorUnknown(Exception):
    """A page was asked for behind something that is not there."""

    def __init__(self, cursor: str) -> None:
        super().__init__(f"expected the cursor of a page that was answered, got {cursor!r}; begin again without one")


_UNPROCESSABLE: Final = (HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request")
_UNAVAILABLE: Final = (HTTPStatus.SERVICE_UNAVAILABLE, "unavailable")
_UNAUTHORIZED: Final = (HTTPStatus.UNAUTHORIZED, "unauthorized")
# Status, section of the page, and what to type: `{lists}`, `{shows}` and `{helps}` are the commands about the path.
_KNOWN: Final[dict[type[Exception], tuple[HTTPStatus, str, str]]] = {
    NotFound: (HTTPStatus.NOT_FOUND, "not-found", "{lists}"),
    Conflict: (HTTPStatus.CONFLICT, "conflict", "{shows}"),
    NotRedrivable: (HTTPStatus.CONFLICT, "not-redrivable", "what the detail says, or redrive failures discard --help"),
    IllegalTransition: (HTTPStatus.CONFLICT, "conflict", "{shows}"),
    InvalidPlan: (*_UNPROCESSABLE, "correct the plan; {helps}"),
    Invalid: (*_UNPROCESSABLE, "correct what it names; {helps}"),
    Unstorable: (*_UNPROCESSABLE, "correct what it names; {helps}"),
    CursorUnknown: (*_UNPROCESSABLE, "begin at the first page: {lists}"),
    NameRefused: (*_UNPROCESSABLE, "send another name, or leave the header out"),
    KeyMissing: (
        HTTPStatus.BAD_REQUEST,
        "invalid-request",
        "send Idempotency-Key, uuidgen makes one; or use the command, which does: {helps}",
    ),
    TooManyStreams: (*_UNAVAILABLE, "{shows}"),
    Busy: (*_UNAVAILABLE, "send the same again in a moment"),
    KeyReused: (HTTPStatus.UNPROCESSABLE_ENTITY, "key-reused", "another key for another request: uuidgen makes one"),
    WrongKey: (*_UNAUTHORIZED, "name one of REDRIVE_WRITE_KEYS as the user"),
    Unauthorized: (
        *_UNAUTHORIZED,
        "export REDRIVE_API_TOKEN=TOKEN; over HTTP send 'Authorization: Bearer TOKEN'",
    ),
    DependencyUnreachable: (*_UNAVAILABLE, "send the same again in a moment; GET /readyz says what is away"),
}

_PAGES: Final = {HTTPStatus.NOT_FOUND: "not-found", HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too-large"}
_HEADERS: Final = {
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": str(RETRY_AFTER_SECONDS)},
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "Bearer"},
}


def install(app: FastAPI) -> None:
    """Answer every error of the API as a problem."""
    for kind in _KNOWN:
        app.add_exception_handler(kind, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unforeseen)


def _known(request: Request, error: Exception) -> Response:
    status, page, what_next = next(_KNOWN[kind] for kind in type(error).__mro__ if kind in _KNOWN)
    what_next = _advised(what_next, request.url.path)
    members = {"revision": error.revision, "changes": list(error.changes)} if isinstance(error, Outdated) else None
    return problem(
        request, status, page, str(error), what_next=what_next, headers=_HEADERS.get(status), members=members
    )


def _advised(what_next: str, path: str) -> str:
    advice = about(path)
    return what_next.format(lists=advice.lists, shows=advice.show(path), helps=advice.helps)


def _invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    # A name may be text that UTF-8 cannot hold: the answer has to.
    errors = [
        {name: text.encode("utf-8", "backslashreplace").decode() for name, text in told.items()}
        for told in ({"field": ".".join(map(str, each["loc"])), "message": each["msg"]} for each in error.errors())
    ]
    malformed = any(each["type"] == "json_invalid" for each in error.errors())
    status = HTTPStatus.BAD_REQUEST if malformed else HTTPStatus.UNPROCESSABLE_ENTITY
    detail = "; ".join(f"{each['field']}: {each['message']}" for each in errors)
    return problem(
        request,
        status,
        "invalid-request",
        detail,
        errors=errors,
        what_next=_advised("correct the fields named; {helps}", request.url.path),
    )


def _http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    page = _PAGES.get(status, "invalid-request")
    what_next = _advised("{lists}; GET /openapi.json says what else can be asked", request.url.path)
    return problem(request, status, page, str(error.detail), what_next=what_next, headers=error.headers)


def _unforeseen(request: Request, error: Exception) -> Response:
    log.error("request.failed", path=request.url.path, error=type(error).__name__, exc_info=error)
    detail = f"{type(error).__name__}: nothing was changed by this request"
    return problem(
        request,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal",
        detail,
        what_next="look into the log of redrive run, at request.failed",
    )


def problem(  # noqa: PLR0913 - the members of a problem
    request: Request,
    status: HTTPStatus,
    page: str,
    detail: str,
    *,
    what_next: str,
    errors: list[dict[str, Any]] | None = None,
    headers: Mapping[str, str] | None = None,
    members: Mapping[str, Any] | None = None,
) -> Response:
    """Make the answer for one problem, with further `members` of its own.

    Where an SDK of RudderStack posts, it is the detail as plain text.
    """
    if request.url.path in SDK:
        wait = {name: value for name, value in (headers or {}).items() if name == "Retry-After"}
        return PlainTextResponse(scrub.text(detail), status, wait)
    body = Problem(
        type=f"{PAGE}#{page}",
        title=status.phrase,
        status=status,
        detail=scrub.text(detail),
        instance=request.url.path,
        errors=[{**each, "message": scrub.text(each["message"])} for each in errors or []],
        trace_id=_trace_id(request.headers.get("traceparent", "")),
        what_next=what_next,
    )
    content = body.model_dump() | jsonable_encoder(members or {})
    return JSONResponse(content, status, headers, media_type="application/problem+json")


def _trace_id(traceparent: str) -> str | None:
    """Take the trace id out of a header as W3C Trace Context has it: version, trace id, parent id, flags."""
    parts = traceparent.split("-")
    return parts[1] if len(parts) == TRACEPARENT_PARTS else None
