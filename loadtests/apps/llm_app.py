"""The sample application: calls of a model as Celery tasks, and the two lines that a user adds for Redrive.

    celery -A loadtests.apps.llm_app worker -c 4 -Q celery,bulk

Broker, result backend and provider stand in LLM_APP_BROKER, LLM_APP_BACKEND and LLM_APP_PROVIDER. Where LLM_APP_RUNS
names a file, every run adds one line to it: task id, queue, attempt (or -), outcome. LLM_APP_RECORD names one for the
demo: time, call, attempt (or -, or retry-N), outcome, and the id of the answer that came whole (or -).
LLM_APP_PLUGIN=off leaves Redrive out, its events of cost too: what load test and demo compare with.
LLM_APP_RETRY=celery has Celery retry by itself. LLM_APP_PROMPT_SEED makes a prompt for each call, whose sketch is
recorded. The provider is told task id and attempt in headers; `waited` adds up how long this process waited for it.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import requests
from celery import Celery

from eventbus.celery_plugin import install
from eventbus.telemetry import llm_call, similarity
from loadtests.apps.appending import append
from loadtests.apps.clock import Reading, now
from loadtests.prompts import prompt_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Task

MODEL: Final = os.environ.get("LLM_APP_MODEL", "gpt-4o")
TIMEOUT_SECONDS: Final = float(os.environ.get("LLM_APP_TIMEOUT", "60"))
# A kill comes in the middle of a run, as the kernel's for want of memory does.
KILLED_AFTER_SECONDS: Final = 0.3
WITH_PLUGIN: Final = os.environ.get("LLM_APP_PLUGIN") != "off"
CELERY_RETRIES: Final = {"autoretry_for": (Exception,), "retry_backoff": True}
RETRIES: Final[dict[str, Any]] = CELERY_RETRIES if os.environ.get("LLM_APP_RETRY") == "celery" else {}
RUNS: Final = os.environ.get("LLM_APP_RUNS")
PROMPT_SEED: Final = os.environ.get("LLM_APP_PROMPT_SEED")
RECORD: Final = os.environ.get("LLM_APP_RECORD")


@dataclass(slots=True)
class Waited:
    """How long this process has waited so far for what is not its own, the provider first of all."""

    so_far: Reading = field(default_factory=Reading)

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count the time within."""
        began = now()
        try:
            yield
        finally:
            self.so_far += now() - began


waited = Waited()
app = Celery(
    "llm_app",
    broker=os.environ.get("LLM_APP_BROKER", "amqp://guest:guest@127.0.0.1:5672//"),
    backend=os.environ.get("LLM_APP_BACKEND", "rpc://"),
)
app.conf.broker_connection_retry_on_startup = True
if WITH_PLUGIN:
    install(app)


@app.task(bind=True, shared=False, redrive={"dependency": "model-provider", "idempotent": True}, **RETRIES)  # type: ignore[untyped-decorator]  # celery has no types
def call_model(  # noqa: PLR0913 - what a message of this task may say
    self: Task,
    context_tokens: int,
    generated_tokens: int,
    call: int | None = None,
    *,
    killed: bool = False,
    malformed: bool = False,
) -> dict[str, Any]:
    """Ask the model once, and record what it cost; `killed` ends the worker's child on the first run.

    A `malformed` request is refused by the provider, however often it is asked.
    """
    with _recorded(self, call) as run:
        first = _attempt(self) == "-"
        if killed and first:
            _die(run)
        asked = {"model": MODEL, "context_tokens": context_tokens, "generated_tokens": generated_tokens}
        if call is not None:
            asked |= {"call": call, "first": first}
        if malformed:
            asked["malformed"] = True
        answer = _ask(self, "/v1/chat/completions", asked)
        run.answer = answer["id"]
        if WITH_PLUGIN:
            _record_cost(answer, self.request.root_id)
            if PROMPT_SEED and call is not None:
                similarity(prompt_of(int(PROMPT_SEED), call))
    return {"id": answer["id"], "usage": answer["usage"]}


@app.task(bind=True, shared=False, redrive={"dependency": "payments", "idempotent": False})  # type: ignore[untyped-decorator]  # celery has no types
def charge_card(self: Task, amount_cents: int) -> str:
    """Take money: a second run would take it twice, so it is redriven only by a person."""
    with _recorded(self, None):
        return str(_ask(self, "/v1/charges", {"amount_cents": amount_cents})["id"])


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


def _ask(task: Task, path: str, body: dict[str, Any]) -> dict[str, Any]:
    url = os.environ.get("LLM_APP_PROVIDER", "http://127.0.0.1:8401") + path
    told = {"X-Client-Request-Id": task.request.id, "X-Attempt": _attempt(task)}
    with waited.counted():
        response = _session().post(url, json=body, headers=told, timeout=TIMEOUT_SECONDS)
    response.raise_for_status()
    answer: dict[str, Any] = response.json()
    return answer


@dataclass(slots=True)
class Run:
    """One run of a task, for the record."""

    task: Task
    call: int | None
    answer: str = "-"

    def note(self, outcome: str) -> None:
        """Note how it ended, in one write for each file: runs of other processes add to the same."""
        attempt = _attempt(self.task)
        if RUNS:
            queue = self.task.request.delivery_info["routing_key"]
            append(RUNS, f"{self.task.request.id} {queue} {attempt} {outcome}\n")
        if RECORD and self.call is not None:
            append(RECORD, f"{time.time():.3f} {self.call} {attempt} {outcome} {self.answer}\n")


@contextmanager
def _recorded(task: Task, call: int | None) -> Iterator[Run]:
    run, outcome = Run(task, call), "failed"
    try:
        yield run
        outcome = "succeeded"
    finally:
        run.note(outcome)


def _attempt(task: Task) -> str:
    """Name the run: `-` for the first, the attempt of a redrive, `retry-N` for one of Celery's own."""
    retries = task.request.retries
    return str((task.request.headers or {}).get("redrive-attempt") or (f"retry-{retries}" if retries else "-"))


def _die(run: Run) -> None:
    time.sleep(KILLED_AFTER_SECONDS)
    run.note("killed")
    os.kill(os.getpid(), signal.SIGKILL)
