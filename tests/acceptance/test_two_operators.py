"""Two people at the same incident, at once: one of them wins, the other is told what has changed."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import pytest
import requests

from tests.acceptance.night.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.field import Field

TASKS: Final = ("a", "b", "c")
# What a person may do to an incident on what they have read of it.
VERBS: Final[dict[str, tuple[str, str, dict[str, Any]]]] = {
    "assign": ("PATCH", "/api/v1/incidents/{id}", {"owner": "{who} on {revision}"}),
    "acknowledge": ("PATCH", "/api/v1/incidents/{id}", {"acknowledge": True}),
    "retry": ("POST", "/api/v1/recovery/retry", {"incident_id": "{id}"}),
}
MEMBERS: Final = {"at", "actor", "verb", "reason", "before", "after", "revision"}


@dataclass(slots=True)
class Operator:
    """One person with a connection of their own, who has read an incident and acts on what they read."""

    api: str
    name: str
    start: threading.Barrier
    session: requests.Session = field(default_factory=requests.Session)

    def read(self, incident_id: str) -> int:
        """Read the incident; gives its revision."""
        revision: int = self.session.get(f"{self.api}/api/v1/incidents/{incident_id}", timeout=10).json()["revision"]
        return revision

    def act(self, verb: str, incident_id: str, revision: int) -> requests.Response:
        """Do it, as decided on that revision, in the same moment as the other one."""
        method, path, more = VERBS[verb]
        given = {key: self._filled(value, incident_id, revision) for key, value in more.items()}
        body = {**given, "reason": f"{self.name} wants to {verb}", "revision": revision}
        headers = {"Idempotency-Key": str(uuid4()), "Redrive-On-Behalf-Of": self.name}
        url = self.api + self._filled(path, incident_id, revision)
        self.start.wait(10)
        return self.session.request(method, url, json=body, headers=headers, timeout=10)

    def _filled(self, value: Any, incident_id: str, revision: int) -> Any:  # noqa: ANN401 - JSON
        return value.format(who=self.name, id=incident_id, revision=revision) if isinstance(value, str) else value


def expect_one_wins(field: Field, incident_id: str, verbs: tuple[str, str]) -> None:
    """Let both act on the same revision: one answer of success, one 409 that names the other's change."""
    barrier = threading.Barrier(2)
    people = [Operator(field.stack.api_url, name, barrier) for name in ("anna", "ben")]
    (revision,) = {each.read(incident_id) for each in people}
    with ThreadPoolExecutor(2) as pool:
        acts = [pool.submit(each.act, verb, incident_id, revision) for each, verb in zip(people, verbs, strict=True)]
        answers = [each.result() for each in acts]
    won = [number for number, answer in enumerate(answers) if answer.ok]
    assert len(won) == 1, [answer.text for answer in answers]
    expect_told(answers[1 - won[0]], revision, people[won[0]].name, verbs[won[0]])


def expect_told(lost: requests.Response, revision: int, winner: str, verb: str) -> None:
    """See that the one who lost learns what changed: who, when, which verb and why, before and after."""
    assert lost.status_code == 409, lost.text
    problem = lost.json()
    assert problem["revision"] > revision, problem
    newest = problem["changes"][0]
    assert newest.keys() >= MEMBERS, newest
    assert newest["actor"].startswith(f"{winner} via ")
    assert newest["reason"] == f"{winner} wants to {verb}"
    assert newest["before"] != newest["after"]
    assert datetime.fromisoformat(newest["at"]).tzinfo is not None


@pytest.fixture
def incidents(make_field: Callable[..., Field]) -> tuple[Field, list[str]]:
    """A field on which nothing moves by itself, with two incidents that are decided: of `charge` and of `fragile`."""
    field = make_field(mode="observe")
    (field.folder / "down").touch()
    for task in ("charge", "fragile"):
        field.send(task, *TASKS)
    field.until("two incidents that are decided", lambda: [each["size"] for each in decided(field)] == [len(TASKS)] * 2)
    by_task = {each["task"].rpartition(".")[2]: each["id"] for each in decided(field)}
    return field, [by_task["charge"], by_task["fragile"]]


def decided(field: Field) -> list[dict[str, Any]]:
    """Give the incidents that a rule has planned."""
    return [each for each in field.incidents() if each["plan"]]


def expect_refused(terminal: Terminal, *arguments: str) -> None:
    """See that a command decided on an old revision ends with 1, and says who has done what, and what to type next."""
    refused = terminal.run(*arguments, codes=(1,))
    refused.expect_narrow()
    for said in ("ben via", "ben wants to acknowledge", "next:"):
        assert said in refused.output, refused.output


def test_one_of_two_operators_wins(incidents: tuple[Field, list[str]]) -> None:
    """Whatever two people do to one incident at once, decided on the same revision, one does it and one gets 409."""
    field, (charge, fragile) = incidents
    for pair in (("assign", "assign"), ("assign", "acknowledge"), ("retry", "retry")):
        expect_one_wins(field, charge, pair)
    expect_one_wins(field, fragile, ("retry", "assign"))


def test_a_terminal_tells_what_has_changed(incidents: tuple[Field, list[str]]) -> None:
    """Who types what they decided on an old revision gets exit code 1, and reads who has done what in the meantime."""
    field, (charge, _) = incidents
    ben = Operator(field.stack.api_url, "ben", threading.Barrier(1))
    revision = ben.read(charge)
    assert ben.act("acknowledge", charge, revision).ok
    terminal = Terminal(field.stack.api_url)
    old = ("--revision", str(revision), "--reason", "mine")
    expect_refused(terminal, "incidents", "update", charge, "--assign", "anna", *old)
    expect_refused(terminal, "retry", "--incident", charge, "--yes", *old)
    assert field.ask(f"/api/v1/incidents/{charge}")["owner"] is None
