"""The signature: failures that look alike by task, exception type and message, ids, numbers and addresses taken out."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final

_PLACEHOLDERS: Final = (
    (re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"), "<uuid>"),
    (re.compile(r"\b[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE), "<url>"),
    (re.compile(r"\b[\w.+-]+@[\w-]+\.[\w.]+\b"), "<email>"),
    (re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?\b"), "<address>"),
    # Marked as numbers are: of hexadecimal ids some have digits only.
    (re.compile(r"\b0x[0-9a-fA-F]+\b|\b(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{12,}\b"), "<n>"),
    (re.compile(r"\d+(?:[.,]\d+)*"), "<n>"),
)
LONGEST: Final = 300
# Only so much of a message is looked at: the patterns take time that grows with the square of its length.
LOOKED_AT: Final = 2_000
LONGEST_NAME: Final = 200


def normalise(message: str) -> str:
    """Take out of a message what differs from one run to the next; at most 300 characters remain."""
    message = message[:LOOKED_AT]
    for pattern, placeholder in _PLACEHOLDERS:
        message = pattern.sub(placeholder, message)
    return " ".join(message.split())[:LONGEST]


def signature(task: str, exception_type: str, message: str) -> str:
    """Give the signature: readable text with a short digest of the whole, so that equal text means equal signature."""
    normal = normalise(message)
    digest = sha256(f"{task}\x00{exception_type}\x00{normal}".encode()).hexdigest()[:12]
    return f"{task[:LONGEST_NAME]} {exception_type[:LONGEST_NAME]} {normal[:120]} #{digest}"
