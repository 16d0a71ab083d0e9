"""Sealing: a message encrypted with keys that the operator keeps, from the worker to just before it is published again.

The keys are Fernet's (the `cryptography` package): the first seals, each opens. To rotate, put a new key first and keep
the old ones behind it until retention has purged what they sealed.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VARIABLE: Final = "REDRIVE_MESSAGE_KEYS"
FILE_VARIABLE: Final = "REDRIVE_MESSAGE_KEYS_FILE"
# What of a message tells where it belongs and how to treat it; the rest is sealed.
IN_THE_CLEAR: Final = ("exchange", "routing_key", "queue", "claim", "redacted", "resolvable", "missing")


class KeysInvalid(ValueError):
    """Keys that cannot be used: names the variable, never a key."""


class NotOpened(ValueError):
    """A sealed message that no key here opens."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The operator's keys, newest first."""

    _keys: Sequence[str] = field(repr=False)
    _fernet: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the keys; raises KeysInvalid."""
        try:
            from cryptography.fernet import Fernet, MultiFernet  # noqa: PLC0415 - an extra that few workers install
        except ImportError as error:
            raise KeysInvalid(f"{VARIABLE}: expected the package cryptography: install redrive[encryption]") from error
        try:
            object.__setattr__(self, "_fernet", MultiFernet([Fernet(key) for key in self._keys]))
        except (ValueError, TypeError):
            raise KeysInvalid(
                f"{VARIABLE}: expected Fernet keys, 32 bytes each in URL-safe base64, separated by commas; "
                "docs/secrets.md says how to make one"
            ) from None

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self | None:
        """Read the keys from REDRIVE_MESSAGE_KEYS, else from the file that ..._FILE names; None where neither is set.

        Raises KeysInvalid.
        """
        given, path = environ.get(VARIABLE, ""), environ.get(FILE_VARIABLE)
        if not given and path:
            try:
                given = Path(path).read_text()
            except OSError as error:
                raise KeysInvalid(f"{FILE_VARIABLE}: expected a file that can be read, got: {error}") from None
        keys = given.replace(",", " ").split()
        if not keys and path:
            raise KeysInvalid(f"{FILE_VARIABLE}: expected a file with a key, got an empty one")
        return cls(tuple(keys)) if keys else None

    def seal(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Give a message (the data of an event) with all but its place encrypted; one that is sealed stays as it is."""
        if message.get("sealed") is not None:
            return dict(message)
        inside = {name: value for name, value in message.items() if name not in {"body", *IN_THE_CLEAR}}
        token = self.seal_bytes(orjson.dumps(inside) + b"\n" + b64decode(message["body"]))
        outside = {name: message[name] for name in IN_THE_CLEAR if name in message}
        empty = {"body": "", "content_type": "", "content_encoding": "", "headers": {}, "properties": {}}
        return empty | outside | {"sealed": token.decode()}

    def open(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Give a sealed message as it was; raises NotOpened when no key opens it."""
        inside, _, body = self.open_bytes(message["sealed"].encode()).partition(b"\n")
        return {**message, **orjson.loads(inside), "body": b64encode(body).decode(), "sealed": None}

    def seal_bytes(self, plain: bytes) -> bytes:
        """Encrypt bytes with the newest key."""
        sealed: bytes = self._fernet.encrypt(plain)
        return sealed

    def open_bytes(self, sealed: bytes) -> bytes:
        """Decrypt bytes; raises NotOpened."""
        from cryptography.fernet import InvalidToken  # noqa: PLC0415 - as above

        try:
            plain: bytes = self._fernet.decrypt(sealed)
        except InvalidToken:
            raise NotOpened(
                f"expected the key that sealed it among {VARIABLE}, got {len(self._keys)} that do not open it; "
                "add the old key behind the new one"
            ) from None
        return plain

    def name(self, content: bytes) -> str:
        """Name content so that only who has the key could tell which it is: a keyed hash, in hexadecimal."""
        return hmac.new(self._keys[0].encode(), content, hashlib.sha256).hexdigest()
