"""What is said in chat: short, and nothing in it that Slack or StackStorm takes for more than text.

Task names, messages and reasons are whatever somebody wrote into a task. StackStorm's own workflow that posts results
evaluates them, and Slack takes `<!channel>` for a call to all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST = 200
MOST = 20
# A character of no width: what stands before and behind it is no longer one mark.
BETWEEN = "\u200b"


def plain(text: object) -> str:
    """Give a text as chat shows it: one line, cut short, with no mark-up and no expression left in it."""
    line = " ".join("".join(each if each.isprintable() else " " for each in str(text)).split())
    line = line if len(line) <= LONGEST else line[: LONGEST - 3] + "..."
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for mark in ("{", "}", "%", "#", "*", "~", "`", "@", "|", ":/"):
        line = line.replace(mark, mark + BETWEEN)
    return line


def told(what: str, answer: dict[str, Any]) -> str:
    """Say an answer of the orchestrator in a few lines; `what` names the kind of answer."""
    return _SAYINGS.get(what, _otherwise)(answer)


def _otherwise(answer: dict[str, Any]) -> str:
    shown = [name for name in ("id", "state", "mode", "health", "revision", "note") if answer.get(name)]
    counted = [f"{len(each)} {name}" for name, each in answer.items() if isinstance(each, list)]
    return ", ".join([f"{name} {plain(answer[name])}" for name in shown] or counted) or "done"


def _refusal(problem: dict[str, Any]) -> str:
    return "refused: " + plain(problem["error"])


def _incidents(answer: dict[str, Any]) -> str:
    return _list(answer.get("incidents") or [], _incident, "no incident is open")


def _incident(each: dict[str, Any]) -> str:
    task, dependency, owner = each.get("task"), each.get("dependency"), each.get("owner")
    on = " on " + plain(dependency) if dependency else ""
    has = ", " + plain(owner) + " has it" if owner else ""
    return "{}  {}{}: {} failed, {}{}".format(
        plain(each.get("id")), plain(task), on, plain(each.get("size")), plain(each.get("state")), has
    )


def _one_incident(answer: dict[str, Any]) -> str:
    note = answer.get("note")
    return _incident(answer) + (". " + plain(note) if note else "")


def _recoveries(answer: dict[str, Any]) -> str:
    return _list(answer.get("retries") or answer.get("recoveries") or [], _recovery, "no recovery")


def _recovery(each: dict[str, Any]) -> str:
    progress = each.get("progress") or {}
    counts = ", ".join(
        "{} {}".format(plain(count), name.replace("_", " ")) for name, count in progress.items() if count
    )
    return "recovery {}: {}{}".format(plain(each.get("id")), plain(each.get("state")), ", " + counts if counts else "")


def _approvals(answer: dict[str, Any]) -> str:
    return _list(answer.get("approvals") or [], _approval, "nothing waits for anybody's consent")


def _approval(each: dict[str, Any]) -> str:
    names = ("id", "state", "asked_by", "reason", "otherwise", "until")
    return "{}: {}, asked by {}, {}; {} at {} without an answer".format(*[plain(each.get(name)) for name in names])


def _decision(answer: dict[str, Any]) -> str:
    state = answer.get("state")
    return "recovery {} is {}".format(plain(answer.get("id")), plain(state))


def _why(answer: dict[str, Any]) -> str:
    now = answer.get("now") or {}
    steps = _list(answer.get("steps") or [], _step, "nothing is known of it")
    after = [plain(now[name]) for name in ("next", "command") if now.get(name)]
    return "\n".join([plain(answer.get("title") or ""), steps, *after]).strip()


def _step(each: dict[str, Any]) -> str:
    return "{}  {}".format(plain(each.get("at")), plain(each.get("text")))


def _list(members: list[dict[str, Any]], say: Callable[[dict[str, Any]], str], none: str) -> str:
    lines = [say(each) for each in members[:MOST]]
    left = len(members) - MOST
    return "\n".join(lines + ([f"and {left} more"] if left > 0 else [])) or none


_SAYINGS = {
    "refusal": _refusal,
    "incidents": _incidents,
    "incident": _one_incident,
    "recoveries": _recoveries,
    "recovery": _recovery,
    "approvals": _approvals,
    "decision": _decision,
    "why": _why,
}
