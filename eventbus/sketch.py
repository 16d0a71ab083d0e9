"""A prompt as 512 counts: what tells near-duplicates apart from strangers, and does not tell the prompt.

Every four characters that stand together fall into one of 512 buckets, chosen by a hash with a secret key (tabulation
hashing: M. Patrascu and M. Thorup, "The Power of Simple Tabulation Hashing", 2012). Case and runs of white space do not
count. The key keeps secret what a bucket means, not that two prompts are alike; it is the same in all workers.
"""

from __future__ import annotations

import hashlib
import os
import sys
from array import array
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Final

KEY_VARIABLE: Final = "REDRIVE_SKETCH_KEY"
GRAM: Final = 4
BUCKETS: Final = 512
MOST: Final = 2**16 - 1
_BYTE: Final = 256
# Where the low byte of a 16-bit number lies in this machine's memory.
_LOW: Final = 0 if sys.byteorder == "little" else 1

Tables = tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Sketch:
    """The counts, the hash of the very prompt, and the name of the key: sketches of two keys are not comparable."""

    prompt_hash: str
    key_name: str
    counts: list[int]


def sketch_of(prompt: str, secret: str | None = None) -> Sketch:
    """Sketch a prompt under `secret`, by default REDRIVE_SKETCH_KEY or, without one, a key that everybody knows."""
    key = _key(os.environ.get(KEY_VARIABLE) or "redrive" if secret is None else secret)
    exact = hashlib.blake2b(prompt.encode("utf-8", "surrogatepass"), key=key, digest_size=16).hexdigest()
    return Sketch(exact, key.hex()[:8], _counts(" ".join(prompt.lower().split()), key))


@cache
def _key(secret: str) -> bytes:
    return hashlib.blake2b(secret.encode(), digest_size=32, person=b"redrive-sketch").digest()


def _counts(text: str, key: bytes) -> list[int]:
    units = f" {text} ".ljust(GRAM).encode("utf-16-le", "surrogatepass")
    numbers = _hashed(units[::2], _tables(key, "low"))
    if any(units[1::2]):
        numbers = _combined(numbers, _hashed(units[1::2], _tables(key, "high")))
    low, high = numbers
    pairs = bytearray(2 * len(low))
    pairs[_LOW::2], pairs[1 - _LOW :: 2] = low, high
    counts = [0] * BUCKETS
    for bucket, count in Counter(array("H", bytes(pairs))).items():
        counts[bucket] = min(count, MOST)
    return counts


def _hashed(text: bytes, tables: tuple[Tables, Tables]) -> tuple[bytes, bytes]:
    """Give, for every four bytes, the low byte of their bucket's number, and its ninth bit."""
    count = len(text) - GRAM + 1
    sums = []
    for parts in tables:
        total = 0
        for at, table in enumerate(parts):
            total ^= int.from_bytes(text[at : at + count].translate(table), "little")
        sums.append(total.to_bytes(count, "little"))
    return sums[0], sums[1]


def _combined(one: tuple[bytes, bytes], other: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    low, high = (
        (int.from_bytes(a, "little") ^ int.from_bytes(b, "little")).to_bytes(len(a), "little")
        for a, b in zip(one, other, strict=True)
    )
    return low, high


@cache
def _tables(key: bytes, half: str) -> tuple[Tables, Tables]:
    """Make the tables for the low or the high halves of characters: for a high half of 0 nothing changes."""
    size = GRAM * _BYTE
    stream = hashlib.shake_256(key + half.encode()).digest(2 * size)
    bits = bytes(each & 1 for each in stream[size:])
    return _split(stream[:size], half), _split(bits, half)


def _split(stream: bytes, half: str) -> Tables:
    tables = (stream[at : at + _BYTE] for at in range(0, GRAM * _BYTE, _BYTE))
    return tuple(b"\0" + table[1:] if half == "high" else table for table in tables)
