"""A Celery app whose failures tell everything that must not be told: each task raises with all it knows."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from celery import Celery

from eventbus.celery_plugin import install

if TYPE_CHECKING:
    from celery import Task

app = Celery("secrets", broker=os.environ.get("ACCEPTANCE_BROKER"), backend=os.environ.get("ACCEPTANCE_BACKEND"))
app.conf.broker_connection_retry_on_startup = True
app.conf.worker_log_format = "[%(asctime)s] %(name)s %(levelname)s: %(message)s"
install(app)


def tell_everything(*more: object) -> None:
    """Raise with the URLs of this app, what the environment keeps secret, and what else is known."""
    urls = (os.environ["ACCEPTANCE_BROKER"], os.environ["ACCEPTANCE_BACKEND"])
    raise ConnectionResetError(f"no answer: {urls} {os.environ['VAULT_TOKEN']} {more}")


@app.task(bind=True, redrive={"dependency": "vault", "idempotent": True})
def fragile(self: Task) -> str:
    """Fail once, then succeed."""
    try:
        (Path(os.environ["ACCEPTANCE_FOLDER"]) / f"{self.request.id}.ran").touch(exist_ok=False)
    except FileExistsError:
        return "well"
    tell_everything()
    return "never"


@app.task(
    bind=True,
    redrive={
        "dependency": "bank",
        "idempotent": True,
        "redact": ["kwargs.password"],
        # Redaction goes first: what both name is not searched by.
        "search": ["user", "password"],
    },
)
def pay(self: Task, user: str, password: str) -> None:
    """Fail, with the argument and the headers in the exception's message."""
    tell_everything(user, password, self.request.headers)


@app.task(bind=True, redrive={"dependency": "bank", "idempotent": True, "redact": ["kwargs.password"]})
def hang(self: Task, _user: str, *, password: str) -> None:
    """Go on until the worker is killed."""
    (Path(os.environ["ACCEPTANCE_FOLDER"]) / f"{self.request.id}.ran").write_text(str(len(password)))
    time.sleep(600)
