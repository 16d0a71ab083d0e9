"""PagerDuty, by its Events API v2: one incident for each key, acknowledged and resolved from here.

Ours and not apprise's: that one cannot acknowledge, tells nothing of an answer, and knows no other address.
"""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import requests

from eventbus import scrub
from orchestrator.domain.alerts import Action
from orchestrator.domain.backoff import asked_seconds
from orchestrator.domain.notifying import NotSent, Sent
from orchestrator.notify.escaping import line, plain

if TYPE_CHECKING:
    from orchestrator.domain.alerts import Notice

URL: Final = "https://events.pagerduty.com/v2/enqueue"
# Characters, as the API has it.
LONGEST_SUMMARY: Final = 1024
LONGEST_KEY: Final = 255
# Of what it says is wrong.
LONGEST_TOLD: Final = 200


class PagerDutyNotifier:
    """Tells one service of PagerDuty, by its routing key."""

    keeps = True

    def __init__(self, name: str, routing_key: str, timeout_seconds: float = 5.0, url: str = URL) -> None:
        self.name = name
        self._key, self._timeout, self._url = routing_key, timeout_seconds, url
        self._session = requests.Session()
        # Without this, requests would put what a ~/.netrc holds into the request.
        self._session.auth = _as_it_is

    def notify(self, notice: Notice) -> Sent | NotSent:
        """Send the event, but no update: that could only be a trigger, which wakes somebody where one was resolved."""
        if notice.action is Action.UPDATE:
            return Sent()
        try:
            answer = self._session.post(
                self._url, json=self._event(notice), timeout=self._timeout, allow_redirects=False
            )
        except requests.Timeout:
            return NotSent("PagerDuty did not answer in time", late=True)
        except requests.RequestException as error:
            return NotSent(f"no answer from PagerDuty: {type(error).__name__}")
        return _told(answer)

    def _event(self, notice: Notice) -> dict[str, Any]:
        event: dict[str, Any] = {
            "routing_key": self._key,
            "event_action": str(notice.action),
            "dedup_key": notice.key[:LONGEST_KEY],
        }
        if event["event_action"] != "trigger":
            return event
        return event | {"payload": _payload(notice), "client": "Redrive"}


def _payload(notice: Notice) -> dict[str, Any]:
    details = {name: value for name, value in notice.details.items() if value is not None}
    return {
        "summary": line(notice.title)[:LONGEST_SUMMARY],
        "source": "redrive",
        "severity": str(notice.severity),
        "timestamp": notice.at,
        "component": str(details.get("dependency") or details.get("task") or "redrive"),
        "group": str(details.get("ladder", "")),
        "class": str(details.get("kind", "")),
        "custom_details": {"text": plain(notice.text), "next": list(notice.commands)} | details,
    }


def _told(answer: requests.Response) -> Sent | NotSent:
    """Tell what an answer means: 202 it has it, 400 the event is wrong, 429 later, all else its own fault."""
    status = answer.status_code
    if status == HTTPStatus.ACCEPTED:
        return Sent()
    said = f"PagerDuty answered {status}: {scrub.text(answer.text)[:LONGEST_TOLD]}".strip()
    wait = asked_seconds(answer.headers.get("Retry-After"), datetime.now(UTC))
    return NotSent(said, final=status == HTTPStatus.BAD_REQUEST, retry_after=wait)


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Leave the headers alone."""
    return request
