"""The load: `locust -f loadtests/locustfile.py --host URL` drives the sample app's front and the orchestrator's API.

`--host` is the front, `--api-url` (or REDRIVE_API_URL) the orchestrator; REDRIVE_API_TOKEN where it asks for one. Users
are web users at about two requests a second each, and one of them is the operator. Locust patches Python's sockets, so
nothing else imports this file.
"""

# Locust, and the users with it, come before anything that loads ssl: patched later, ssl recurses without end.
from __future__ import annotations

from typing import TYPE_CHECKING

from locust import events

from loadtests.apps.lifecycle import end_with
from loadtests.users.operator import Operator
from loadtests.users.web import WebUser

if TYPE_CHECKING:
    from locust.argument_parser import LocustArgumentParser
    from locust.env import Environment

__all__ = ["Operator", "WebUser"]


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]  # locust's hooks have no types
def _options(parser: LocustArgumentParser) -> None:
    parser.add_argument(
        "--api-url",
        env_var="REDRIVE_API_URL",
        default="http://127.0.0.1:8400",
        help="Where the orchestrator's API is, for the operator",
    )
    parser.add_argument(
        "--load-seed", type=int, default=0, help="For the dice, and which call of the trace is the first"
    )
    parser.add_argument("--parent-pid", type=int, help="Stop when this process is gone")


@events.init.add_listener  # type: ignore[untyped-decorator]  # locust's hooks have no types
def _end_with_parent(environment: Environment, **_: object) -> None:
    if environment.parsed_options:
        end_with(environment.parsed_options.parent_pid)
