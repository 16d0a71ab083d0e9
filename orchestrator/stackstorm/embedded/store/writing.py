"""Documents as the text that is stored: what `json` reads again as it was."""

from __future__ import annotations

import json
from typing import Any, Final

import orjson

_STRICT: Final = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME


def text(value: Any) -> str:
    """Write a value as JSON; raises TypeError for what is none.

    orjson is faster, but writes null for a number that is none (NaN, Infinity), and takes no halves of characters, no
    whole numbers of more than 64 bits and no names that are no text: `json` writes all these.
    """
    try:
        written = orjson.dumps(value, option=_STRICT)
    except TypeError:
        return json.dumps(value)
    return json.dumps(value) if b"null" in written else written.decode()
