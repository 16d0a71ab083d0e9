"""Opening what a worker put away: a sealed message is decrypted, a body in a store is fetched and its hash checked.

It happens just before publishing and nowhere else, so that no plaintext of a sealed message is ever stored.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Self

from eventbus.claims import URL_VARIABLE, ClaimLost, delete, fetch
from eventbus.sealing import Keys, NotOpened
from orchestrator.domain.eligibility import refuse_not_redrivable
from orchestrator.domain.errors import NotRedrivable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.domain.failures import TaskMessage

_INSIDE: Final = ("body", "content_type", "content_encoding", "headers", "properties")


@dataclass(frozen=True, slots=True)
class Opener:
    """Has the operator's keys, if any, and knows where claims may lie: in files, and under `claim_url`.

    An event comes from the bus; it must not make this process ask any other address.
    """

    keys: Keys | None = field(default=None, repr=False)
    claim_url: str = ""

    @classmethod
    def of(cls, keys: str | None, claim_url: str = "") -> Self:
        """Read keys as REDRIVE_MESSAGE_KEYS has them; raises KeysInvalid."""
        return cls(Keys.of({"REDRIVE_MESSAGE_KEYS": keys or ""}), claim_url)

    @property
    def keys_known(self) -> bool:
        """Tell whether there are keys at all."""
        return self.keys is not None

    def opened(self, message: TaskMessage) -> TaskMessage:
        """Give the message as a worker would get it; raises NotRedrivable with the reason."""
        refuse_not_redrivable(message, keys_known=self.keys_known)
        try:
            opened = self._unsealed(message)
            return replace(opened, body=self._fetched(message), claim=None) if message.claim else opened
        except (NotOpened, ClaimLost) as error:
            raise NotRedrivable(str(error)) from error

    def delete(self, claim: Mapping[str, Any]) -> bool:
        """Delete a body that no failure names any more; False when it has to stay for now (docs/secrets.md)."""
        self._check(claim)
        return delete(claim)

    def _unsealed(self, message: TaskMessage) -> TaskMessage:
        if message.sealed is None or self.keys is None:
            return message
        inside = self.keys.open(asdict(message) | {"body": b64encode(message.body).decode()})
        values = {name: inside[name] for name in _INSIDE} | {"body": b64decode(inside["body"]), "sealed": None}
        return replace(message, **values)

    def _fetched(self, message: TaskMessage) -> bytes:
        claim = message.claim or {}
        self._check(claim)
        body = fetch(claim)
        return self.keys.open_bytes(body) if message.sealed is not None and self.keys else body

    def _check(self, claim: Mapping[str, Any]) -> None:
        url = str(claim.get("url"))
        if url.startswith("file:///") or (self.claim_url and url.startswith(self.claim_url.rstrip("/") + "/")):
            return
        raise ClaimLost(
            f"expected a body in a file or under {URL_VARIABLE} of this orchestrator "
            f"({self.claim_url or 'which is not set'}), got one at {url}"
        )
