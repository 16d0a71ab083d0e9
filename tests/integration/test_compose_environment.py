"""What docker-compose.yml runs of ours, run as it says, on real servers, but in no container."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
import yaml

from orchestrator.dev.stack import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
BIN = Path(sys.executable).parent
SECONDS = 60
TASK = "loadtests.apps.llm_app.call_model"


class Deployment:
    """Orchestrator, worker and provider, each with its own environment and command from the file."""

    def __init__(self, folder: Path, servers: dict[str, str]) -> None:
        self.folder, self.api_port, self.provider_port = folder, free_port(), free_port()
        self.servers = servers
        self.api = f"http://127.0.0.1:{self.api_port}"

    def environ(self, name: str) -> dict[str, str]:
        """Fill the variables in, and put the servers of this test in the place of the containers."""
        found = {"PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "HOME": str(self.folder)}
        for variable, value in SERVICES[name].get("environment", {}).items():
            found[variable] = self.here(variable, value)
        return found

    def here(self, variable: str, value: str) -> str:
        """Give a value as it has to be outside a container."""
        for scheme, url in self.servers.items():
            if value.startswith(scheme):
                return url
        if variable == "REDRIVE_WAREHOUSE_URL":
            return self.servers["postgresql"]
        filled = re.sub(r"\$\{\w+:([-?])([^}]*)\}", lambda found: found[2] if found[1] == "-" else "a-secret", value)
        return filled.replace("/var/lib/redrive", str(self.folder)).replace("8401", str(self.provider_port))

    def start(self, name: str, **environ: str) -> subprocess.Popen[bytes]:
        """Start a service's command; the image's own where the file names none."""
        command = [
            each.replace("8401", str(self.provider_port)) for each in SERVICES[name].get("command", image_command())
        ]
        log = (self.folder / f"{name}.log").open("wb")
        command[0] = str(BIN / command[0])
        return subprocess.Popen(command, cwd="/", env=self.environ(name) | environ, stdout=log, stderr=log)

    def run(self, name: str, *command: str) -> str:
        """Run a command as `docker-compose exec` would, in the environment of a service."""
        environ = self.environ(name) | {"REDRIVE_API_URL": self.api}
        told = [str(BIN / command[0]), *command[1:]]
        done = subprocess.run(told, cwd="/", env=environ, capture_output=True, text=True, timeout=SECONDS, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def incidents(self) -> list[dict[str, Any]]:
        """List the incidents, as `redrive incidents list` does inside the container."""
        return list(json.loads(self.run("orchestrator", "redrive", "incidents", "list", "--json")))

    def told(self) -> str:
        """Give what the services have said."""
        return "\n".join(f"== {path.name}\n{path.read_text()[-2000:]}" for path in self.folder.glob("*.log"))


def image_command() -> list[str]:
    """Read what our image runs by itself."""
    found = re.findall(r"^CMD (\[.*\])$", (ROOT / "deploy/Dockerfile").read_text(), re.MULTILINE)
    return list(json.loads(found[-1]))


def answers(url: str, body: dict[str, Any] | None = None) -> bool:
    """Tell whether a URL answers well."""
    try:
        return requests.request("POST" if body else "GET", url, json=body, timeout=5).ok
    except requests.RequestException:
        return False


@pytest.fixture
def deployment(tmp_path: Path, postgres: str, rabbitmq: str, redis_db: str) -> Iterator[Deployment]:
    """The three services, started; stopped afterwards."""
    deployment = Deployment(tmp_path, {"postgresql": postgres, "amqp": rabbitmq, "redis": redis_db})
    with ExitStack() as stack:
        environ = {"REDRIVE_API_PORT": str(deployment.api_port), "REDRIVE_MODE": "act"}
        for child in (
            deployment.start("orchestrator", **environ),
            deployment.start("worker"),
            deployment.start("provider"),
        ):
            stack.callback(child.wait, SECONDS)
            stack.callback(child.terminate)
        yield deployment


def until(what: str, holds: Callable[[], bool], deployment: Deployment) -> None:
    """Wait for a condition; says what the services said when it does not come."""
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end, f"expected {what} within {SECONDS} s\n{deployment.told()}"
        time.sleep(0.3)


def test_the_commands_and_variables_of_the_file_make_a_deployment_that_recovers(deployment: Deployment) -> None:
    """A call that fails in the worker becomes an incident, and recovers on a person's word without StackStorm."""
    provider = f"http://127.0.0.1:{deployment.provider_port}"
    until("the orchestrator to be ready", lambda: answers(f"{deployment.api}/readyz"), deployment)
    until("the provider to answer", lambda: answers(f"{provider}/stats"), deployment)
    assert answers(f"{provider}/control", {"up": False})
    task = deployment.run("worker", "celery", "-A", "loadtests.apps.llm_app", "call", TASK, "--args", "[374, 44]")
    until("an incident", lambda: len(deployment.incidents()) == 1, deployment)
    assert answers(f"{provider}/control", {"up": True})
    deployment.run("orchestrator", "redrive", "retry", "--task", task, "--reason", "the provider is back", "--yes")
    until("it to recover", lambda: deployment.incidents()[0]["state"] == "recovered", deployment)
    until("its cost in the warehouse", lambda: has_the_cost(deployment), deployment)


def has_the_cost(deployment: Deployment) -> bool:
    """Tell whether the warehouse has got all that was routed to it, and anything at all."""
    headers = {"authorization": "Bearer a-secret"}
    counts = requests.get(f"{deployment.api}/api/v1/sinks", headers=headers, timeout=5).json()["warehouse"]
    return counts["delivered"] > 0 and counts["pending"] == 0
