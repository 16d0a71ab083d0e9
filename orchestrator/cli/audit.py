"""The verbs on the audit: who did what, when and why; and whether its chain holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlencode

import typer

from orchestrator.cli.asking import DEFAULT_API, Api, AsJson, as_data, call, pages, shown, told
from orchestrator.cli.exits import FAILED
from orchestrator.cli.naming import incident_of, short
from orchestrator.cli.times import before, now
from orchestrator.domain.auditing import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator

# What an entry is about, the nearest first.
ABOUT: Final = ("incident_id", "failure_id", "recovery_id", "dependency", "sink", "event")
INDENT: Final = " " * 9
MOST: Final = 1_000
audit = typer.Typer(
    name="audit", help="Who did what, when and why; without a verb, the newest entries.", invoke_without_command=True
)


@audit.callback()
def group(context: typer.Context, api: Api = DEFAULT_API, as_json: AsJson = False) -> None:
    """Show the newest entries."""
    if context.invoked_subcommand is None:
        list_entries(api=api, as_json=as_json)


@audit.command("list")
def list_entries(  # noqa: PLR0917 - the options of a command line are given by name
    actor: Annotated[str | None, typer.Option(help="By whom, as it is written there.")] = None,
    incident: Annotated[str | None, typer.Option(help="About this incident: its id, or its beginning.")] = None,
    dependency: Annotated[str | None, typer.Option(help="About this dependency.")] = None,
    verb: Annotated[str | None, typer.Option(help="What was done: retry, hold, plan, ...")] = None,
    origin: Annotated[Origin | None, typer.Option(help="Who decides so: a person, a rule, Redrive itself.")] = None,
    since: Annotated[str | None, typer.Option(metavar="2h", help="Not before: a length of time, or a time.")] = None,
    until: Annotated[str | None, typer.Option(metavar="1h", help="Before: a length of time, or a time.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many at most, the newest.")] = 20,
    *,
    forced: Annotated[bool, typer.Option("--forced", help="Only what overrode something.")] = False,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """List entries of the audit, newest first: who did what, to what, when and why, and what it overrode."""
    asked: dict[str, Any] = {"actor": actor, "dependency": dependency, "verb": verb, "origin": origin}
    asked |= {"incident": incident_of(api, incident) if incident else None, "forced": "true" if forced else None}
    asked |= {name: before(value, now()) for name, value in (("since", since), ("until", until)) if value}
    asked |= {"limit": min(limit, MOST)}
    found = _found(api, urlencode({name: value for name, value in asked.items() if value is not None}), limit)
    if as_json:
        as_data(found)
        return
    if not found:
        told("no entry is so; ask for less: redrive audit list")
    for each in found:
        for line in _lines(each):
            shown(line)


def _found(api: str, query: str, limit: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for page in pages(api, f"/api/v1/audit?{query}"):
        found += page["entries"]
        if len(found) >= limit:
            break
    return found[:limit]


def _lines(each: dict[str, Any]) -> Iterator[str]:
    by = "".join(
        f", {name} {each[key]}" for name, key in (("rule", "rule"), ("execution", "execution_id")) if each.get(key)
    )
    about = next(((name, str(each[name])) for name in ABOUT if each.get(name)), None)
    what = (
        f" {about[0].removesuffix('_id')} {short(about[1]) if about[0].endswith('_id') else about[1]}" if about else ""
    )
    forced = ", FORCED" if each["forced"] else ""
    yield f"{each['seq']:>7}  {each['at'][:19].replace('T', ' ')}  {each['actor']}{by}: {each['verb']}{what}{forced}"
    yield f"{INDENT}why: {each['reason']}"
    yield from (f"{INDENT}overrode: {one}" for one in each["overrides"])
    changed = ", ".join(_change(each, name) for name in sorted({*each["before"], *each["after"]} - {"waits_for"}))
    if changed:
        yield f"{INDENT}changed: {changed}"


def _change(each: dict[str, Any], name: str) -> str:
    before_it, after_it = (_brief(each[side].get(name)) for side in ("before", "after"))
    return f"{name} {before_it} -> {after_it}"


def _brief(value: object) -> str:
    """Give a value in a few words; a plan by its name."""
    if isinstance(value, dict):
        return str(value["name"]) if "name" in value else " ".join(f"{count} {name}" for name, count in value.items())
    return "-" if value is None else str(value)


@audit.command("verify")
def verify(
    head: Annotated[str | None, typer.Option(metavar="SEQ:HASH", help="An entry as you have noted it.")] = None,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """Walk the chain of hashes, and name the first entry that does not fit; exit code 1 then."""
    seq, _, noted = (head or "").partition(":")
    if head and not (seq.isdecimal() and noted):
        raise typer.BadParameter("expected --head SEQ:HASH, as `redrive audit verify` prints it")
    answer = _walked(api, {"seq": seq, "hash": noted} if head else {})
    if as_json:
        as_data(answer)
    else:
        for line in _verdict(answer):
            shown(line)
    if not answer["holds"]:
        raise typer.Exit(FAILED)


def _walked(api: str, asked: dict[str, str]) -> dict[str, Any]:
    """Have the chain walked to its end, a stretch with each request."""
    exported = 0
    while True:
        answer = call("GET", api, f"/api/v1/audit/verify{'?' + urlencode(asked) if asked else ''}")
        exported += answer["exported"]
        if answer["complete"] or not answer["holds"]:
            return answer | {"exported": exported}
        told(f"{answer['entries']} entries hold so far")
        asked |= {"after": str(answer["entries"]), "former": answer["hash"], "place": str(answer["place"])}


def _verdict(answer: dict[str, Any]) -> Iterator[str]:
    fault = answer["fault"]
    if fault:
        yield f"entry {fault['seq']} does not fit: {fault['why']}"
        yield "next: compare it with what the sinks have: docs/audit.md"
        return
    yield f"{answer['entries']} entries, each follows the one before"
    seen = [f"entry {each['seq']} of {each['said_by']}" for each in answer["compared_with"]]
    seen += [f"all {answer['exported']} that the event log has"] if answer["exported"] else []
    compared = ", ".join(seen)
    yield f"compared with: {compared or 'nothing outside the ledger; an end that is gone would not show'}"
    yield f"note this: redrive audit verify --head {answer['entries']}:{answer['hash']}"
