"""Reads from a Celery application what the checks look at. Connects to nothing."""

from __future__ import annotations

import os
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import celery
from celery.app.backends import by_url
from celery.utils.imports import symbol_by_name
from kombu.serialization import registry

from eventbus import journal, spool
from eventbus.celery_plugin import plugin_of
from eventbus.declaration import KEY, DeclarationError, Declarations
from eventbus.declaration_file import from_file
from eventbus.lint.capture_checks import CELERYS_CONSUMER
from eventbus.lint.facts import AppFacts, Place, QueueFacts, TaskFacts
from eventbus.lint.loading import AppUnreadable
from eventbus.lint.result_checks import BUILT_IN, MEMORY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from celery import Celery, Task
    from kombu import Queue

SETTINGS: Final = (
    "broker_transport_options",
    "result_chord_expires",
    "result_expires",
    "task_always_eager",
    "worker_cancel_long_running_tasks_on_connection_loss",
    "worker_max_memory_per_child",
    "worker_max_tasks_per_child",
    "worker_prefetch_multiplier",
)
FORGETFUL: Final = frozenset({"disabled", "rpc"})
IN_MEMORY: Final = ("cache+memory", "memory")
BACKOFF_MAX_SECONDS: Final = 600
CONTAINER_ID: Final = re.compile(r"[0-9a-f]{12}")
KUBERNETES_POD: Final = re.compile(r".*-[a-z0-9]{5}")


def read(app: Celery, *, hostname: str, hold: float, pool: str | None = None) -> AppFacts:
    """Read an app; raises AppUnreadable where its broker or its result backend cannot be made."""
    plugin = plugin_of(app)
    declarations = plugin.declarations if plugin else Declarations(from_file())
    own = [task for name, task in app.tasks.items() if not name.startswith(BUILT_IN)]
    tasks = tuple(_task(task, app, declarations) for task in sorted(own, key=lambda task: task.name))
    queues, missing = _queues(app)
    try:
        # The class alone: a database's backend connects, and makes its tables, when it is made.
        backend, url = by_url(app.backend_cls or app.conf.result_backend, app.loader)
        broker = str(app.connection_for_read().transport_cls)
        consumer = _deaf(app.conf.worker_consumer)
    except Exception as error:
        raise AppUnreadable(f"expected broker, result backend and consumer to be known, got {error!r}") from error
    return AppFacts(
        name=app.main or "celery",
        celery=celery.__version__,
        installed=plugin is not None,
        broker=_broker(broker),
        backend=_backend(backend),
        backend_keeps=_backend(backend) not in FORGETFUL and not str(url).startswith(IN_MEMORY),
        sqlite_results=_sqlite(url or app.conf.database_url),
        pool=pool or str(app.conf.worker_pool),
        deaf_consumer=consumer,
        random_hostname=hostname if _random(hostname, os.environ) else None,
        hold=hold,
        accepts=frozenset(_content_type(each) for each in app.conf.accept_content or ()),
        settings={name: app.conf.get(name) for name in SETTINGS},
        tasks=tasks,
        queues=queues,
        places=_places(plugin.spool_folder if plugin else spool.folder_of(None)),
        unused_patterns=tuple(_unused(declarations.patterns, [task.name for task in tasks])),
        routed=tuple(_routed(app.conf.task_routes)),
        missing_queues=missing,
        scheduled=tuple(str(each["task"]) for each in (app.conf.beat_schedule or {}).values()),
    )


def _task(task: Task, app: Celery, declarations: Declarations) -> TaskFacts:
    own, wrong, declared = getattr(task, KEY, None), None, None
    try:
        declared = declarations.of_task(task)
    except DeclarationError as error:
        wrong = str(error)
    return TaskFacts(
        name=task.name,
        declared=declared,
        wrong=wrong,
        says_idempotent=declarations.says("idempotent", task.name, own),
        acks_late=bool(task.acks_late),
        reject_on_worker_lost=bool(task.reject_on_worker_lost),
        acks_on_failure=_acks(task, "acks_on_failure"),
        acks_on_timeout=_acks(task, "acks_on_timeout"),
        ignore_result=bool(task.ignore_result),
        track_started=bool(task.track_started),
        autoretry=bool(getattr(task, "autoretry_for", ())),
        time_limit=task.time_limit or app.conf.task_time_limit,
        soft_time_limit=task.soft_time_limit or app.conf.task_soft_time_limit,
        longest_delay=_longest_delay(task),
        serializer=_content_type(task.serializer),
        priority=task.priority,
        expires=task.expires is not None,
    )


def _acks(task: Task, which: str) -> bool:
    """Tell what Celery 5.7 has for failures and time-outs apart, and 5.6 for both."""
    own = getattr(task, which, None)
    return bool(task.acks_on_failure_or_timeout if own is None else own)


def _longest_delay(task: Task) -> float:
    """Give the longest wait of Celery's own retries: its back-off's cap, else the fixed delay."""
    if not getattr(task, "retry_backoff", False):
        return float(task.default_retry_delay or 0)
    cap = float(getattr(task, "retry_backoff_max", BACKOFF_MAX_SECONDS))
    return cap if task.max_retries is None else min(cap, float(task.retry_backoff) * 2.0 ** min(task.max_retries, 64))


def _queues(app: Celery) -> tuple[tuple[QueueFacts, ...], tuple[str, ...]]:
    """Give the queues that the app declares or routes to, and the names of those that it may not make."""
    known, missing = app.amqp.queues, []
    for route in _route_targets(app.conf.task_routes):
        try:
            known[route]
        except KeyError:
            missing.append(route)
    return tuple(_queue(each) for each in known.values()), tuple(missing)


def _queue(queue: Queue) -> QueueFacts:
    arguments = queue.queue_arguments or {}
    return QueueFacts(
        queue.name,
        exchange_type=queue.exchange.type if queue.exchange else "direct",
        quorum=arguments.get("x-queue-type") == "quorum",
        delivery_limit=arguments.get("x-delivery-limit"),
        dead_letters="x-dead-letter-exchange" in arguments,
        max_priority=queue.max_priority or arguments.get("x-max-priority"),
    )


def _tables(routes: object) -> Iterator[tuple[Any, Any]]:
    """Give the entries of task_routes that can be read: a mapping, pairs, or a list of either; not functions."""
    if hasattr(routes, "items"):
        yield from routes.items()
    elif isinstance(routes, list | tuple):
        for each in routes:
            if isinstance(each, list | tuple) and len(each) == 2 and isinstance(each[0], str | re.Pattern):  # noqa: PLR2004 - a pair
                yield each[0], each[1]
            else:
                yield from _tables(each)


def _routed(routes: object) -> Iterator[str]:
    return (name for name, _ in _tables(routes) if isinstance(name, str))


def _route_targets(routes: object) -> list[str]:
    """Give the names of the queues that routes lead to."""
    targets = [target if isinstance(target, str) else target.get("queue") for _, target in _tables(routes)]
    return [target for target in dict.fromkeys(targets) if isinstance(target, str)]


def _broker(transport: str) -> str:
    if "amqp" in transport or transport == "librabbitmq":
        return "rabbitmq"
    if transport.startswith(("redis", "sentinel")):
        return "redis"
    return "sqlite" if transport == KEY else transport


def _backend(backend: type) -> str:
    name = backend.__name__.removesuffix("Backend").lower()
    return {"sentinel": "redis"}.get(name, name)


def _sqlite(url: object) -> str | None:
    scheme, _, path = str(url).partition("://")
    if "sqlite" not in scheme:
        return None
    path = path.removeprefix("/")
    return MEMORY if path in {"", MEMORY} else path


def _content_type(serializer: str) -> str:
    return str(registry.name_to_type.get(serializer, serializer))


def _deaf(consumer: str | type) -> str | None:
    """Name a consumer that hands messages out in its own way: Celery's calls what the plugin listens to."""
    if consumer == CELERYS_CONSUMER:
        return None
    own, celerys = symbol_by_name(consumer), symbol_by_name(CELERYS_CONSUMER)
    same = getattr(own, "create_task_handler", None) is celerys.create_task_handler
    return None if same else f"{own.__module__}:{own.__qualname__}"


def _places(spool_folder: Path) -> tuple[Place, ...]:
    journals = os.environ.get(journal.FOLDER_VARIABLE)
    return (
        _place(spool.FOLDER_VARIABLE, spool_folder),
        _place(journal.FOLDER_VARIABLE, Path(journals) if journals else spool_folder / "journal"),
    )


def _place(name: str, folder: Path) -> Place:
    """Tell whether a folder can be written, or made."""
    nearest = next(each for each in (folder, *folder.parents) if each.exists())
    return Place(name, str(folder), writable=nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK))


def _unused(patterns: Iterable[str], tasks: list[str]) -> Iterator[str]:
    return (pattern for pattern in patterns if not any(fnmatchcase(name, pattern) for name in tasks))


def _random(hostname: str, environ: Mapping[str, str]) -> bool:
    """Tell whether this host is a container, whose next start gets another name."""
    if "KUBERNETES_SERVICE_HOST" in environ:
        return KUBERNETES_POD.fullmatch(hostname) is not None
    return CONTAINER_ID.fullmatch(hostname) is not None
