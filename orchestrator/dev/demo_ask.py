"""What a demo asks the running parts: the orchestrator's API, and StackStorm's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.dev.stack import Stack

ASK_SECONDS: Final = 30.0
PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks one stack."""

    stack: Stack

    def api(self, path: str) -> dict[str, Any]:
        """Ask the orchestrator."""
        answer = requests.get(f"{self.stack.api_url}{path}", timeout=ASK_SECONDS)
        answer.raise_for_status()
        content: dict[str, Any] = answer.json()
        return content

    def listed(self, path: str, name: str) -> Iterator[dict[str, Any]]:
        """Walk a list of the orchestrator, page by page."""
        url: str | None = f"{self.stack.api_url}{path}?limit={PAGE}"
        while url:
            answer = requests.get(url, timeout=ASK_SECONDS)
            answer.raise_for_status()
            yield from answer.json()[name]
            url = answer.links.get("next", {}).get("url")

    def incidents(self) -> list[dict[str, Any]]:
        """Give every incident whole."""
        return [self.api(f"/api/v1/incidents/{each['id']}") for each in self.listed("/api/v1/incidents", "incidents")]

    def waiting(self, incidents: list[dict[str, Any]]) -> Iterator[str]:
        """Give the ids of the tasks that wait for a person: the held failures of incidents that were escalated."""
        for each in incidents:
            if each["plan"] and each["plan"]["name"] == "escalate":
                for failure in self.listed(f"/api/v1/incidents/{each['id']}/failures", "failures"):
                    if failure["state"] == "held":
                        yield str(failure["task_id"])

    def settled(self) -> dict[str, int]:
        """Add up the outputs of every `settle` execution, as StackStorm has them."""
        told = {"executions": 0, "first_attempts": 0, "first_successes": 0}
        for each in self._executions("redrive.settle"):
            output = each.get("result", {}).get("output") or {}
            told["executions"] += 1
            for name in ("first_attempts", "first_successes"):
                told[name] += int(output.get(name) or 0)
        return told

    def _executions(self, action: str) -> Iterator[dict[str, Any]]:
        url, offset = f"{self.stack.stackstorm_url}/v1/executions", 0
        while True:
            wanted: dict[str, str | int] = {"action": action, "limit": PAGE, "offset": offset}
            found = requests.get(url, params=wanted, timeout=ASK_SECONDS).json()
            yield from (each for each in found if each.get("end_timestamp"))
            if len(found) < PAGE:
                return
            offset += PAGE

    def dataplane(self) -> dict[str, Any]:
        """Ask the data plane what it holds."""
        content: dict[str, Any] = requests.get(f"{self.stack.dataplane_url}/stats", timeout=ASK_SECONDS).json()
        return content
