"""Secret values of the datastore: encrypted at rest with a key that lies beside the state, for its owner alone."""

from __future__ import annotations

import os
from binascii import unhexlify
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12


class Unreadable(ValueError):
    """A text that is no encrypted value, or one that another key encrypted; never shows the text."""


class Vault:
    """Encrypts text with AES-256-GCM. The key file is made at the first use, mode 0600."""

    def __init__(self, key_file: Path) -> None:
        self._key_file = key_file

    def encrypt(self, text: str) -> str:
        """Give the encrypted text as upper-case hexadecimal digits, another one at every call."""
        nonce = os.urandom(NONCE_BYTES)
        return (nonce + self._cipher.encrypt(nonce, text.encode(), None)).hex().upper()

    def decrypt(self, encrypted: str) -> str:
        """Give the text again; raises Unreadable."""
        try:
            raw = unhexlify(encrypted)
        except ValueError as error:
            raise Unreadable(str(error)) from None  # "Non-hexadecimal digit found", as StackStorm says of plain text
        try:
            return self._cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], None).decode()
        except Exception:  # noqa: BLE001 whatever the cipher dislikes, the reader is told the same
            raise Unreadable("expected a value that this datastore encrypted, got another") from None

    @cached_property
    def _cipher(self) -> AESGCM:
        # Imported here: a datastore without secrets need not wait for it at the start.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        return AESGCM(self._key())

    def _key(self) -> bytes:
        if not self._key_file.exists():
            partial = self._key_file.with_name(f"{self._key_file.name}.{os.getpid()}")
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(os.urandom(KEY_BYTES))
            partial.replace(self._key_file)
        return self._key_file.read_bytes()
