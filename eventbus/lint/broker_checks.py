"""Checks of broker and queues: what is delivered twice, for ever, or no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventbus.lint.findings import Check, Found, Severity

if TYPE_CHECKING:
    from eventbus.lint.facts import AppFacts

VISIBILITY_SECONDS: Final = {"redis": 3600, "sqs": 1800}
# RabbitMQ's default consumer_timeout, 30 minutes.
CONSUMER_TIMEOUT_SECONDS: Final = 1800
LIMIT: Final = '"x-queue-type": "quorum", "x-delivery-limit": 5, "x-dead-letter-exchange": "dead"'
ARGUMENTS: Final = f"Queue(..., queue_arguments={{{LIMIT}}})"


def visibility_timeout(app: AppFacts) -> Found | None:
    """Find runs and delays that outlast the broker's patience."""
    if app.broker not in VISIBILITY_SECONDS:
        return None
    options = app.settings["broker_transport_options"] or {}
    patience = options.get("visibility_timeout") or VISIBILITY_SECONDS[app.broker]
    longer = app.named(
        lambda task: max(task.longest_delay, (task.longest_run or 0) if task.acks_late else 0) >= patience
    )
    what = f"visibility_timeout is {patience:g} s, and these run or wait as long."
    change = 'app.conf.broker_transport_options = {"visibility_timeout": SECONDS}, more than the longest'
    return Found(what, change, longer) if longer else None


def consumer_timeout(app: AppFacts) -> Found | None:
    """Find messages that are held for longer than RabbitMQ waits for an acknowledgement."""
    native = any(queue.quorum for queue in app.queues)
    held = app.named(
        lambda task: (
            (task.acks_late and (task.longest_run or 0) >= CONSUMER_TIMEOUT_SECONDS)
            or (not native and task.longest_delay >= CONSUMER_TIMEOUT_SECONDS)
        )
    )
    what = f"These hold a message for {CONSUMER_TIMEOUT_SECONDS} s or more."
    change = "consumer_timeout in rabbitmq.conf, or x-consumer-timeout on the queue, in milliseconds"
    return Found(what, change, held) if held and app.broker == "rabbitmq" else None


def reject_loop(app: AppFacts) -> Found | None:
    """Find tasks that kill worker after worker."""
    # What a quorum queue without a limit of its own does, quorum-unlimited tells.
    endless = [queue.name for queue in app.queues if app.broker != "rabbitmq" or not queue.quorum]
    loops = app.named(lambda task: task.acks_late and task.reject_on_worker_lost)
    if not loops or not endless:
        return None
    what = f"reject_on_worker_lost is on, and {', '.join(endless)} has no delivery limit."
    fixed = ARGUMENTS if app.broker == "rabbitmq" else "task_reject_on_worker_lost=False: Redrive brings them back"
    return Found(what, fixed, loops)


def quorum_undead(app: AppFacts) -> Found | None:
    """Find quorum queues that drop what was delivered too often."""
    drops = tuple(queue.name for queue in app.queues if queue.quorum and not queue.dead_letters)
    what = "Quorum queues without a dead-letter exchange."
    return Found(what, ARGUMENTS, drops) if drops and app.broker == "rabbitmq" else None


def quorum_unlimited(app: AppFacts) -> Found | None:
    """Find quorum queues whose limit is the server's."""
    open_ended = tuple(queue.name for queue in app.queues if queue.quorum and queue.delivery_limit is None)
    what = "Quorum queues without x-delivery-limit."
    return Found(what, ARGUMENTS, open_ended) if open_ended and app.broker == "rabbitmq" else None


def quorum_direct(app: AppFacts) -> Found | None:
    """Find quorum queues whose delayed messages sit in a worker."""
    direct = tuple(queue.name for queue in app.queues if queue.quorum and queue.exchange_type == "direct")
    change = "app.conf.task_default_exchange_type = 'topic', or Queue(..., Exchange(..., type='topic'))"
    return Found("Quorum queues on a direct exchange.", change, direct) if direct and app.broker == "rabbitmq" else None


def quorum_priority(app: AppFacts) -> Found | None:
    """Find priorities that a quorum queue does not know."""
    if app.broker != "rabbitmq" or not any(queue.quorum for queue in app.queues):
        return None
    queues = tuple(queue.name for queue in app.queues if queue.quorum and queue.max_priority)
    tasks = app.named(lambda task: task.priority is not None)
    change = "a classic queue, or a queue of its own for what is urgent"
    return Found("Priorities are used with quorum queues.", change, (*queues, *tasks)) if queues or tasks else None


def expiry_untold(app: AppFacts) -> Found | None:
    """Find tasks that RabbitMQ drops before a worker sees that they have expired."""
    expiring = app.named(lambda task: task.expires)
    drops = [queue.name for queue in app.queues if not queue.dead_letters]
    if app.broker != "rabbitmq" or not expiring or not drops:
        return None
    what = f"These expire, and {', '.join(drops)} has no dead-letter exchange."
    change = 'Queue(..., queue_arguments={"x-dead-letter-exchange": "dead"})'
    return Found(what, change, expiring)


def confirms_off(app: AppFacts) -> Found | None:
    """Find a producer that does not wait for the broker's word."""
    options = app.settings["broker_transport_options"] or {}
    if app.broker != "rabbitmq" or options.get("confirm_publish"):
        return None
    change = 'app.conf.broker_transport_options = {"confirm_publish": True}'
    return Found("Tasks are published without confirms.", change)


def connection_loss(app: AppFacts) -> Found | None:
    """Find tasks that go on after their message was given to somebody else."""
    twice = app.named(lambda task: task.acks_late)
    if not twice or app.settings["worker_cancel_long_running_tasks_on_connection_loss"] or app.broker == "sqlite":
        return None
    change = "app.conf.worker_cancel_long_running_tasks_on_connection_loss = True"
    return Found("acks_late tasks go on when the connection to the broker is lost.", change, twice)


CHECKS: Final = (
    Check(
        "visibility-timeout",
        Severity.ERROR,
        "The broker takes the worker for dead and delivers the message again: the task runs twice, at the same time.",
        visibility_timeout,
    ),
    Check(
        "consumer-timeout",
        Severity.WARNING,
        "RabbitMQ closes the channel of a consumer that does not acknowledge within 30 minutes by default, and "
        "delivers all that it held again.",
        consumer_timeout,
    ),
    Check(
        "reject-loop",
        Severity.ERROR,
        "A task that kills its worker is delivered again at once and for ever, and takes a child with it each time; "
        "Celery reports none of it.",
        reject_loop,
    ),
    Check(
        "quorum-undead",
        Severity.ERROR,
        "A message that was delivered too often is dropped there, and nobody is told. Where a policy of the server "
        "sets the exchange, lint cannot see it: ignore this.",
        quorum_undead,
    ),
    Check(
        "quorum-unlimited",
        Severity.WARNING,
        "RabbitMQ before 4.0 delivers for ever; from 4.0 on it drops or dead-letters after 20. Say what you mean.",
        quorum_unlimited,
    ),
    Check(
        "quorum-direct",
        Severity.WARNING,
        "Celery's native delayed delivery needs a topic exchange: without it a message with an ETA or countdown, a "
        "retry too, waits unacknowledged in a worker, and counts against the prefetch limit.",
        quorum_direct,
    ),
    Check(
        "quorum-priority",
        Severity.WARNING,
        "Before RabbitMQ 4.0 a quorum queue has no priorities; from 4.0 on it has two.",
        quorum_priority,
    ),
    Check(
        "expiry-untold",
        Severity.WARNING,
        "RabbitMQ drops in the queue what has expired there: told is only what a worker had prefetched. A dead-letter "
        "exchange keeps the rest, which Redrive does not read. Where a policy sets it, ignore this.",
        expiry_untold,
    ),
    Check(
        "confirms-off",
        Severity.WARNING,
        "A task that is published while the broker goes away can be lost before it exists, and nothing raises.",
        confirms_off,
    ),
    Check(
        "connection-loss",
        Severity.WARNING,
        "The broker delivers their messages to another worker while the first still runs them: twice, at the same "
        "time.",
        connection_loss,
    ),
)
