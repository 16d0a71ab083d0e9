"""The load: `locust -f loadtests/locustfile.py --host URL` drives the sample app's front and the orchestrator's API.

`--host` is the front, `--api-url` (or REDRIVE_API_URL) the orchestrator; REDRIVE_API_TOKEN where it asks for one.
Web users' calls arrive `--rate` a second in all, however many users and processes share them; each of the `--operators`
looks `--operator-rate` times a second; with a `--telemetry-rate` a producer posts batches of events. Times are from the
intended starts. Locust patches Python's sockets, so nothing else imports this file.
"""

# Locust, and the users with it, come before anything that loads ssl: patched later, ssl recurses without end.
from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from locust import events
from locust.runners import WorkerRunner

from loadtests.apps.lifecycle import announce, end_with
from loadtests.users import ending, noting
from loadtests.users.operator import Operator
from loadtests.users.telemetry import Producer
from loadtests.users.web import WebUser

if TYPE_CHECKING:
    from locust.argument_parser import LocustArgumentParser
    from locust.env import Environment

__all__ = ["Operator", "Producer", "WebUser", "ending", "noting"]

# Name, what it is by default (its type with it), what for.
OPTIONS: Final[list[tuple[str, Any, str]]] = [
    ("--rate", 10.0, "Calls a second of all web users together, Poisson"),
    ("--operators", 1, "How many operators"),
    ("--operator-rate", 0.5, "Looks a second of each operator, Poisson"),
    ("--telemetry-rate", 0.0, "Batches of events a second; 0 for no producer"),
    ("--malformed", 0.0, "The share of calls that never succeed"),
    ("--load-seed", 0, "For the dice, and which call of the trace is the first"),
    ("--write-key", "development", "For POST /v1/batch"),
]
FILES: Final = [
    ("--rate-file", "JSON with rate, telemetry_rate and malformed, looked at while it runs"),
    ("--stamps", "The workers' stamps, read to see how calls end; without it some calls are asked for"),
    ("--answers", "Gets a line for each request that was answered"),
    ("--accepted", "Gets a line for each event of the producer that has a receipt"),
    ("--load-ready-file", "Is written once all users are there"),
]


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]  # locust's hooks have no types
def _options(parser: LocustArgumentParser) -> None:
    where = {"env_var": "REDRIVE_API_URL", "default": "http://127.0.0.1:8400"}
    parser.add_argument("--api-url", **where, help="Where the orchestrator's API is")
    for name, default, help_text in OPTIONS:
        parser.add_argument(name, type=type(default), default=default, help=help_text)
    for name, help_text in FILES:
        parser.add_argument(name, include_in_web_ui=False, help=help_text)
    parser.add_argument("--parent-pid", type=int, include_in_web_ui=False, help="Stop when this process is gone")


@events.init.add_listener  # type: ignore[untyped-decorator]  # locust's hooks have no types
def _set_up(environment: Environment, **_: object) -> None:
    """Have as many users of each kind as the options say; those that are none of, Locust must not know at all."""
    options = environment.parsed_options
    if not options:
        return
    if not isinstance(environment.runner, WorkerRunner):
        end_with(options.parent_pid)
        environment.events.spawning_complete.add_listener(_announcing(options.load_ready_file))  # type: ignore[no-untyped-call]  # locust's hooks have no types
    counts = {Operator: options.operators, Producer: int(options.telemetry_rate > 0)}
    for kind, count in counts.items():
        kind.fixed_count = count
        if not count and kind in environment.user_classes:
            environment.user_classes.remove(kind)
    # Those of a fixed number are spawned first: one web user at least is left.
    options.num_users = max(options.num_users or 1, sum(counts.values()) + 1)


def _announcing(path: str | None) -> Any:  # noqa: ANN401 - a listener
    def tell(**_: object) -> None:
        announce(Path(path) if path else None, {"pid": os.getpid()})

    return tell
