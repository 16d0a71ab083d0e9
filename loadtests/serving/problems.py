"""Refusals as problems (RFC 9457): what was expected, what came, what to do."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from loadtests.serving.access import Refused
from loadtests.serving.desk import Going, KeyReused, ScenarioUnknown

if TYPE_CHECKING:
    from fastapi import FastAPI, Request


class Problem(Exception):
    """A request that cannot be done, with its HTTP status."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status


def handle_problems(app: FastAPI) -> None:
    """Have every refusal of the application answered as a problem."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(Refused, _problem)
    app.add_exception_handler(Going, _going)
    app.add_exception_handler(KeyReused, _unfit)
    app.add_exception_handler(ScenarioUnknown, _unfit)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _other)


def _answer(status: int, detail: str, **more: Any) -> JSONResponse:
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}
    return JSONResponse(body, status, media_type="application/problem+json")


def _problem(_: Request, error: Exception) -> JSONResponse:
    return _answer(int(getattr(error, "status", HTTPStatus.INTERNAL_SERVER_ERROR)), str(error))


def _going(_: Request, error: Exception) -> JSONResponse:
    return _answer(HTTPStatus.CONFLICT, str(error), going=getattr(error, "run_id", None))


def _unfit(_: Request, error: Exception) -> JSONResponse:
    return _answer(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))


def _invalid(_: Request, error: Exception) -> JSONResponse:
    """Name each field with what was expected; what came may hold anything, and is not repeated."""
    found = error.errors() if isinstance(error, RequestValidationError) else []
    faults = [{"field": ".".join(map(str, each["loc"])), "expected": each["msg"]} for each in found]
    detail = "; ".join(f"{each['field']}: {each['expected']}" for each in faults)
    return _answer(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=faults)


def _other(_: Request, error: Exception) -> JSONResponse:
    if isinstance(error, HTTPException):
        return _answer(error.status_code, str(error.detail))
    return _answer(HTTPStatus.INTERNAL_SERVER_ERROR, type(error).__name__)
