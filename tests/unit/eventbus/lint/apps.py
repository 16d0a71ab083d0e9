"""Celery apps as the checks of the tests look at them: one in which nothing is found, and changes to it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from celery import Celery
from celery.worker.consumer import Consumer
from kombu import Exchange, Queue

from eventbus.lint.facts import Place
from eventbus.lint.reading import read

if TYPE_CHECKING:
    from eventbus.lint.facts import AppFacts

CLEAN_TASK: dict[str, Any] = {"redrive": {"idempotent": True, "dependency": "bank"}, "time_limit": 60}
RABBITMQ = {"broker_url": "amqp://h//", "broker_transport_options": {"confirm_publish": True}}
LATE = {"acks_late": True, "reject_on_worker_lost": True}


class OwnConsumer(Consumer):
    """A user's consumer that hands messages out as Celery's does."""


class DeafConsumer(Consumer):
    """One that does not."""

    def create_task_handler(self, *_: Any) -> None:
        """Do something else."""


@dataclass(frozen=True)
class Setup:
    """What an app has that the clean one has not: settings, options of its task shop.pay, and facts of the machine."""

    conf: dict[str, Any] = field(default_factory=dict)
    task: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    hostname: str = "worker-1"


def app_of(setup: Setup) -> Celery:
    """Make the app."""
    app = Celery("shop", broker="redis://h/0", backend="redis://h/1", set_as_current=False)
    app.conf.update({"task_track_started": True, **setup.conf})

    @app.task(name="shop.pay", shared=False, **{**CLEAN_TASK, **setup.task})  # type: ignore[untyped-decorator]  # celery has no types
    def pay() -> None:
        """Take money."""

    app.finalize()
    return app


def facts_of(setup: Setup) -> AppFacts:
    """Read the app, as on a machine where the plugin is installed and its folder can be written."""
    place = Place("REDRIVE_SPOOL_DIR", "/spool", writable=True)
    read_facts = read(app_of(setup), hostname=setup.hostname, hold=21_600)
    return replace(read_facts, **{"installed": True, "places": (place,), "unused_patterns": (), **setup.facts})


def quorum(*, kind: str = "topic", **arguments: Any) -> dict[str, Any]:
    """Give the settings of an app on RabbitMQ with one quorum queue that has these arguments."""
    safe = {"x-queue-type": "quorum", "x-delivery-limit": 5, "x-dead-letter-exchange": "dead", **arguments}
    kept = {name: value for name, value in safe.items() if value is not None}
    return {
        **RABBITMQ,
        "task_queues": [Queue("pay", Exchange("pay", type=kind), routing_key="pay", queue_arguments=kept)],
    }
