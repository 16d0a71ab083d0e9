"""The sample application: calls of a model as Celery tasks, and the two lines that a user adds for Redrive.

    celery -A loadtests.apps.llm_app worker -c 4 -Q celery,bulk

Broker, result backend and provider stand in LLM_APP_BROKER, LLM_APP_BACKEND and LLM_APP_PROVIDER. Where LLM_APP_RUNS
names a file, every run adds one line to it: task id, queue, attempt (or -), outcome. LLM_APP_PLUGIN=off leaves Redrive
out, its events of cost too: what the load test compares with.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import requests
from celery import Celery

from eventbus.celery_plugin import install
from eventbus.telemetry import llm_call

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Task

MODEL: Final = os.environ.get("LLM_APP_MODEL", "gpt-4o")
TIMEOUT_SECONDS: Final = 60
WITH_PLUGIN: Final = os.environ.get("LLM_APP_PLUGIN") != "off"

app = Celery(
    "llm_app",
    broker=os.environ.get("LLM_APP_BROKER", "amqp://guest:guest@127.0.0.1:5672//"),
    backend=os.environ.get("LLM_APP_BACKEND", "rpc://"),
)
app.conf.broker_connection_retry_on_startup = True
if WITH_PLUGIN:
    install(app)


@app.task(bind=True, redrive={"dependency": "model-provider", "idempotent": True})  # type: ignore[untyped-decorator]  # celery has no types
def call_model(self: Task, context_tokens: int, generated_tokens: int) -> dict[str, Any]:
    """Ask the model once, and record what it cost."""
    with _recorded(self):
        asked = {"model": MODEL, "context_tokens": context_tokens, "generated_tokens": generated_tokens}
        answer = _ask("/v1/chat/completions", asked)
    if WITH_PLUGIN:
        _record_cost(answer, self.request.root_id)
    return {"id": answer["id"], "usage": answer["usage"]}


@app.task(bind=True, redrive={"dependency": "payments", "idempotent": False})  # type: ignore[untyped-decorator]  # celery has no types
def charge_card(self: Task, amount_cents: int) -> str:
    """Take money: a second run would take it twice, so it is redriven only by a person."""
    with _recorded(self):
        return str(_ask("/v1/charges", {"amount_cents": amount_cents})["id"])


def _record_cost(answer: dict[str, Any], root_id: str) -> None:
    llm_call(
        provider="openai",
        model=MODEL,
        response_model=answer["model"],
        response_id=answer["id"],
        input_tokens=answer["usage"]["prompt_tokens"],
        output_tokens=answer["usage"]["completion_tokens"],
        agent_id="conversation",
        workflow_execution_id=root_id,
        node_id="call_model",
    )


@cache
def _session() -> requests.Session:
    """Make the connections of this process; a pool child is forked before its first call."""
    return requests.Session()


def _ask(path: str, body: dict[str, Any]) -> dict[str, Any]:
    url = os.environ.get("LLM_APP_PROVIDER", "http://127.0.0.1:8401")
    response = _session().post(url + path, json=body, timeout=TIMEOUT_SECONDS)
    response.raise_for_status()
    answer: dict[str, Any] = response.json()
    return answer


@contextmanager
def _recorded(task: Task) -> Iterator[None]:
    """Note how this run ended, in one write: runs of other processes add to the same file."""
    outcome = "failed"
    try:
        yield
        outcome = "succeeded"
    finally:
        path = os.environ.get("LLM_APP_RUNS")
        if path:
            queue = task.request.delivery_info["routing_key"]
            attempt = (task.request.headers or {}).get("redrive-attempt", "-")
            _append(path, f"{task.request.id} {queue} {attempt} {outcome}\n")


def _append(path: str, line: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)
