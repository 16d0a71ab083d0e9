"""The short form of parameters: `core.noop a=1 b="two words" c=<% ctx(x) %>`."""

from __future__ import annotations

import json
import re
from typing import Any

_VALUES = (
    r"\[.*\]\s*",
    r'"[^"]*"\s*',
    r"'[^']*'\s*",
    r"-?\d*\.\d+",
    r"-?\d+",
    r"(?i:true)",
    r"(?i:false)",
    r"null",
    r"<%.*?%>",
    r"{{.*?}}",
)
_PAIR = re.compile(rf"(\w+)=({'|'.join(_VALUES)})")


def parameters(text: str) -> list[tuple[str, Any]]:
    """Read every name=value of a text, in order; JSON values become what they say, the rest stays text."""
    return [(name, _value(raw.strip())) for name, raw in _PAIR.findall(text)]


def _value(raw: str) -> Any:
    if raw[:1] in "\"'" and raw[-1:] == raw[:1] and len(raw) > 1:
        inner = raw[1:-1]
        return _json(inner) if inner.startswith("{") and inner.endswith("}") else inner
    return _json(raw.lower() if raw.lower() in ("true", "false") else raw)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
