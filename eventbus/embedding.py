"""A prompt's vector by a model of the developer's choice, beside its sketch: asked for by the call, or not at all.

Whatever the embedder does, the task goes on: it is waited for so long and no longer, in a thread of its own, and one
that failed is asked no more for a minute. Of its errors only the kind is told: their text may hold the prompt.
"""

from __future__ import annotations

import logging
import math
import sys
from array import array
from base64 import b64encode
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, Final, Protocol

from eventbus import fields

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger(__name__)

WAIT_SECONDS: Final = 5.0
REST_SECONDS: Final = 60.0
LONGEST_VECTOR: Final = 4_096
LONGEST_NAME: Final = 200
LONGEST_REASON: Final = 100

_resting_until: dict[str, float] = {}
_said: set[str] = set()


class Embedder(Protocol):
    """What makes a vector of a text; vectors are compared with those of the same `name` alone."""

    @property
    def name(self) -> str:
        """Name the model, and whatever else its vectors depend on."""

    def embed(self, text: str) -> Sequence[float]:
        """Give the vector of a text: 1 to 4,096 finite numbers, not all 0."""


class EmbedderFailed(RuntimeError):
    """An embedder has no vector: the message is logged and sent, and must hold nothing of the text."""


def embedding_of(embedder: Embedder, prompt: str) -> dict[str, str]:
    """Give the embedder's name with the vector, in base64 of 32-bit floats, the low byte first; or with why not."""
    name = fields.text("embedder.name", embedder.name, LONGEST_NAME)
    if monotonic() < _resting_until.get(name, 0.0):
        return {"embedder": name, "failed": "resting"}
    answer = _asked(embedder, prompt)
    if isinstance(answer, bytes):
        return {"embedder": name, "vector": b64encode(answer).decode()}
    _resting_until[name] = monotonic() + REST_SECONDS
    if name not in _said:
        _said.add(name)
        log.warning("embedder.failed: %s: %s; its next failures in this process are not logged", name, answer)
    return {"embedder": name, "failed": answer}


def _asked(embedder: Embedder, prompt: str) -> bytes | str:
    """Give the packed vector, or why there is none."""
    answers: SimpleQueue[bytes | str] = SimpleQueue()

    def ask() -> None:
        try:
            answers.put(packed(embedder.embed(prompt)))
        except EmbedderFailed as error:
            answers.put(_printable(str(error)))
        except BaseException as error:  # noqa: BLE001 - code of anybody's, in a thread that ends here
            answers.put(_printable(type(error).__name__))

    Thread(target=ask, name="redrive-embedder", daemon=True).start()
    try:
        return answers.get(timeout=WAIT_SECONDS)
    except Empty:
        return f"no answer in {WAIT_SECONDS:g} seconds"


def _printable(reason: str) -> str:
    return ascii(reason)[1:-1][:LONGEST_REASON] or "no reason"


def packed(values: Sequence[float]) -> bytes:
    """Write a vector as 32-bit floats, the low byte first; raises EmbedderFailed for what is none."""
    if isinstance(values, str | bytes | bytearray | memoryview) or not 0 < len(values) <= LONGEST_VECTOR:
        raise EmbedderFailed(f"expected 1 to {LONGEST_VECTOR} numbers")
    vector = array("f", values)
    if not all(map(math.isfinite, vector)) or not any(vector):
        raise EmbedderFailed("expected finite numbers that are not all 0")
    if sys.byteorder == "big":
        vector.byteswap()
    return vector.tobytes()
