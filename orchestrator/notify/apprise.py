"""A target over apprise: mail, chats, phones, whatever its URL names. The URL holds secrets and is never told."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Final

from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType

from orchestrator.domain.alerts import Action
from orchestrator.domain.errors import SettingsInvalid
from orchestrator.domain.incidents import Severity
from orchestrator.domain.notifying import NotSent, Sent
from orchestrator.notify.escaping import line, markdown, plain, without_mentions

if TYPE_CHECKING:
    from apprise import NotifyBase

    from orchestrator.domain.alerts import Notice

# These show Markdown whatever they are told that a text is.
SHOW_MARKDOWN: Final = frozenset(
    {"discord", "mmost", "mmosts", "rocket", "rockets", "zulip", "webex", "wxteams", "msteams", "workflow", "gchat"}
)
# What apprise makes of text as Markdown for Slack leaves links in it, which a task's name may hold: it goes as text.
AS_MARKDOWN: Final = re.compile(r"([?&]format=)markdown\b", re.IGNORECASE)
# A mail's address is no mention.
MAIL: Final = frozenset({"mailto", "mailtos"})
SEVERE: Final = frozenset({Severity.ERROR, Severity.CRITICAL})


class AppriseNotifier:
    """Tells one service. Raises SettingsInvalid, without the URL, for one that apprise does not know."""

    keeps = False

    def __init__(self, name: str, url: str, timeout_seconds: float = 5.0) -> None:
        self.name = name
        # Its own lines hold addresses, and at some levels whole messages: what came of a call is told by us.
        logging.getLogger("apprise").disabled = True
        self._scheme = url.partition("://")[0].lower()
        service = _service(name, url)
        _bound(service, timeout_seconds)
        self._marked = self._scheme in SHOW_MARKDOWN or service.notify_format == NotifyFormat.MARKDOWN
        self._apprise = Apprise(asset=service.asset)
        self._apprise.add(service)

    def notify(self, notice: Notice) -> Sent | NotSent:
        """Tell it; apprise says whether the service took it, and no more."""
        try:
            taken = self._apprise.notify(
                body=self._shown("\n".join([notice.text, *notice.commands])),
                title=self._shown(line(notice.title)),
                notify_type=_kind(notice),
                body_format=NotifyFormat.MARKDOWN if self._marked else NotifyFormat.TEXT,
            )
        except Exception as error:  # noqa: BLE001 - a hundred plugins, each with errors of its own
            # The text of the error may hold the URL.
            return NotSent(f"{self._scheme} raised {type(error).__name__}")
        return Sent() if taken else NotSent(f"{self._scheme} did not take it")

    def _shown(self, text: str) -> str:
        if self._marked:
            return markdown(plain(text))
        return plain(text) if self._scheme in MAIL else without_mentions(plain(text))


def _service(name: str, url: str) -> NotifyBase:
    asset = AppriseAsset(secure_logging=True, async_mode=False, app_id="Redrive", app_desc="Redrive")
    try:
        service = Apprise.instantiate(AS_MARKDOWN.sub(r"\1text", url), asset=asset)
    except Exception:  # noqa: BLE001 - as above
        service = None
    if service is None or isinstance(service, list):
        scheme = url.partition("://")[0] if "://" in url else "one without a scheme"
        raise SettingsInvalid(
            f"REDRIVE_ALERTS.targets.{name}.url: expected a URL that apprise knows, such as mailto:// or slack://, "
            f"whole, got {scheme[:20]}; see https://github.com/caronc/apprise/wiki"
        )
    return service


def _bound(service: NotifyBase, timeout_seconds: float) -> None:
    """Have it wait no longer than it may, sleep between no calls, and follow nobody elsewhere with its secrets."""
    service.socket_connect_timeout = timeout_seconds
    service.socket_read_timeout = timeout_seconds
    service.request_rate_per_sec = 0
    service.redirects = False


def _kind(notice: Notice) -> NotifyType:
    if notice.action is Action.RESOLVE:
        return NotifyType.SUCCESS
    if notice.action is not Action.TRIGGER:
        return NotifyType.INFO
    return NotifyType.FAILURE if notice.severity in SEVERE else NotifyType.WARNING
