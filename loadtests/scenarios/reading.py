"""Scenario files (TOML): the shipped ones by name, others by path; checked whole before anything is started.

A phase with `repeat` is there as often, and a fault whose `at` or `lasts` is a pair of numbers gets one between them,
drawn by the scenario's seed: the same file with the same seed is the same plan.
"""

from __future__ import annotations

import tomllib
from dataclasses import asdict, replace
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

from loadtests.scenarios.scenario import Bus, Engines, Fault, FaultKind, Link, Phase, PhaseKind, Scenario, Search
from loadtests.scenarios.tables import ScenarioInvalid, Table

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

__all__ = ["ScenarioInvalid", "as_data", "lasting", "load", "parse", "shipped"]

FOLDER: Final = "data/scenarios"
ENDING: Final = ".toml"
MOST_RATE: Final = 10_000.0
OF_LINK: Final = frozenset(
    {FaultKind.LINK_LATENCY, FaultKind.LINK_CUT, FaultKind.LINK_BLACK_HOLE, FaultKind.LINK_BANDWIDTH}
)
# Kinds that are nothing without an amount.
WITH_AMOUNT: Final = frozenset(
    {FaultKind.LINK_LATENCY, FaultKind.LINK_BANDWIDTH, FaultKind.PROVIDER_SLOW, FaultKind.PROVIDER_RATE_LIMITED}
)
OF_PROVIDER: Final = frozenset(
    {FaultKind.PROVIDER_DOWN, FaultKind.PROVIDER_RATE_LIMITED, FaultKind.PROVIDER_SLOW, FaultKind.PROVIDER_KILLED}
)
OF_SERVERS: Final = frozenset({FaultKind.DATABASE_RESTARTED, FaultKind.BROKER_RESTARTED})
OF_WORKER: Final = frozenset({FaultKind.CHILD_KILLED, FaultKind.WORKER_KILLED, FaultKind.WORKER_STOPPED})


def shipped() -> list[str]:
    """Name the scenarios that ship."""
    found = files("loadtests").joinpath(FOLDER).iterdir()
    return sorted(each.name.removesuffix(ENDING) for each in found if each.name.endswith(ENDING))


def load(name_or_path: str, seed: int | None = None, engines: Engines | None = None) -> Scenario:
    """Read a scenario, with another seed or on other engines than its file says; raises ScenarioInvalid.

    Faults that are only for other engines are left out.
    """
    source = _source(name_or_path)
    try:
        content = tomllib.loads(source.read_text(encoding="utf-8"))
        return parse(source.name.removesuffix(ENDING), content, seed, engines)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioInvalid(f"{name_or_path}: expected a file of TOML, got: {error}") from error
    except ScenarioInvalid as error:
        raise ScenarioInvalid(f"{source.name}: {error}") from None


def _source(name_or_path: str) -> Traversable | Path:
    if name_or_path in shipped():
        return files("loadtests").joinpath(FOLDER, name_or_path + ENDING)
    path = Path(name_or_path)
    if not path.is_file():
        names = ", ".join(shipped())
        raise ScenarioInvalid(f"{name_or_path}: expected one of {names}, or a file; got neither")
    return path


def parse(name: str, content: object, seed: int | None = None, engines: Engines | None = None) -> Scenario:
    """Make a scenario of a file's content; raises ScenarioInvalid."""
    table = Table.of("", content)
    seed = table.whole("seed") if seed is None else _other(table, seed)
    engines = engines or table.one_of("engines", Engines)
    table.text("engines")
    dice = Random(seed)
    scenario = Scenario(
        name=name,
        about=table.text("about"),
        engines=engines,
        seed=seed,
        rate=table.number("rate", above=0, most=MOST_RATE),
        phases=tuple(phase for each in table.tables("phases") for phase in _phases(each, engines, dice)),
        gates=table.text("gates", "gates"),
        operators=table.whole("operators", 1),
        telemetry_rate=table.number("telemetry_rate", 0, most=MOST_RATE),
        malformed=table.number("malformed", 0, most=1),
        warm_up_seconds=table.number("warm_up_seconds", 3),
        drain_seconds=table.number("drain_seconds", 60),
        search=_search(table.table("search")),
        children=table.whole("children", 4, least=1),
    )
    table.end()
    _refuse(scenario)
    return scenario


def _other(table: Table, seed: int) -> int:
    table.whole("seed")
    if seed < 0:
        raise ScenarioInvalid(f"seed: expected a whole number from 0 on, got {seed}")
    return seed


def _refuse(scenario: Scenario) -> None:
    """Refuse what no single key is to blame for."""
    if not scenario.phases:
        raise ScenarioInvalid("phases: expected one or more, got none")
    names = [each.name for each in scenario.phases]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ScenarioInvalid(f"phases: expected names that differ, got {', '.join(twice)} more than once")
    if not scenario.telemetry_rate and any(each.telemetry_rate for each in scenario.phases):
        raise ScenarioInvalid("telemetry_rate: expected more than 0 where a phase has one of its own, got 0")


def _search(table: Table | None) -> Search | None:
    if table is None:
        return None
    search = Search(
        first_rate=table.number("first_rate", above=0, most=MOST_RATE),
        factor=table.number("factor", above=1),
        step_seconds=table.number("step_seconds", above=0),
        most_rate=table.number("most_rate", above=0, most=MOST_RATE),
        halvings=table.whole("halvings"),
    )
    table.end()
    return search


def _phases(table: Table, engines: Engines, dice: Random) -> list[Phase]:
    """Read one phase, as often as it is repeated, each time with faults of its own draw."""
    times = table.whole("repeat", 1, least=1)
    phases = [_phase(table, engines, dice) for _ in range(times)]
    if times == 1:
        return phases
    return [replace(each, name=f"{each.name} {number}") for number, each in enumerate(phases, 1)]


def _phase(table: Table, engines: Engines, dice: Random) -> Phase:
    phase = Phase(
        name=table.text("name"),
        kind=table.one_of("kind", PhaseKind),
        seconds=table.number("seconds", above=0),
        bus=table.one_of("bus", Bus, Bus.UP),
        traced=table.flag("traced"),
        block_seconds=table.number("block_seconds", 2, above=0),
        rate=table.maybe("rate", above=0, most=MOST_RATE),
        telemetry_rate=table.maybe("telemetry_rate", most=MOST_RATE),
    )
    drawn = [(each, _fault(each, dice)) for each in table.tables("faults")]
    table.end()
    faults = [(place, fault) for place, fault in drawn if fault.only in (None, engines)]
    for place, fault in faults:
        _fitting(place, fault, phase, engines)
        _alone(place, fault, [each for _, each in faults if each is not fault])
    return replace(phase, faults=tuple(sorted((fault for _, fault in faults), key=lambda fault: fault.at)))


def _fault(table: Table, dice: Random) -> Fault:
    fault = Fault(
        kind=table.one_of("kind", FaultKind),
        at=table.drawn("at", dice),
        lasts=table.drawn("lasts", dice),
        target=table.maybe_one_of("target", Link),
        amount=table.maybe("amount", above=0, most=1e9),
        only=table.maybe_one_of("only", Engines),
    )
    table.end()
    if (fault.kind in OF_LINK) != (fault.target is not None):
        raise table.invalid("target", f"a link for faults of links alone (here {fault.kind})", fault.target)
    if (fault.kind in WITH_AMOUNT) != (fault.amount is not None):
        raise table.invalid("amount", f"one where the kind has one, and no other ({fault.kind})", fault.amount)
    return fault


def _fitting(table: Table, fault: Fault, phase: Phase, engines: Engines) -> None:
    """Refuse a fault that this phase, or these engines, cannot have."""
    if phase.kind is PhaseKind.OVERHEAD:
        raise table.invalid("kind", "no fault in a phase that compares the arms", str(fault.kind))
    if fault.at + fault.lasts > phase.seconds:
        ends = fault.at + fault.lasts
        raise table.invalid("lasts", f"an end within the phase's {phase.seconds:g} s", ends)
    if engines is Engines.EMBEDDED and _of_a_server(fault):
        raise table.invalid("kind", 'real engines for this fault: engines = "real", or only = "real"', str(fault.kind))


def _alone(table: Table, fault: Fault, others: list[Fault]) -> None:
    """Refuse a fault during another one of the same thing: the end of the first would end both."""
    for other in others:
        at_once = fault.at == other.at or (fault.at < other.at + other.lasts and other.at < fault.at + fault.lasts)
        if at_once and _breaks(fault) == _breaks(other):
            raise table.invalid("at", f"a time at which {other.kind} of the same thing does not hold", fault.at)


def _breaks(fault: Fault) -> object:
    """Give the thing that a fault is of: a link, a process with all of its faults, or what its kind alone is of."""
    groups = (OF_PROVIDER, OF_WORKER)
    return fault.target or next((group for group in groups if fault.kind in group), fault.kind)


def _of_a_server(fault: Fault) -> bool:
    """Tell whether a fault needs a server: a file is not restarted, and has no connection that could be slow."""
    on_file = fault.target is Link.BUS and fault.kind is FaultKind.LINK_BANDWIDTH
    return fault.kind in OF_SERVERS or fault.target is Link.DATABASE or on_file


def lasting(scenario: Scenario, seconds: float) -> Scenario:
    """Give the same scenario at another length: its phases over and over, the last one cut, with what fits into it.

    Raises ScenarioInvalid for one with a search, which is as long as it takes.
    """
    if scenario.search:
        raise ScenarioInvalid(f"--seconds: expected a scenario without [search], got {scenario.name}")
    left, phases = seconds, list[Phase]()
    while left > 0:
        phase = scenario.phases[len(phases) % len(scenario.phases)]
        phases.append(_within(phase, min(phase.seconds, left), len(phases) + 1))
        left -= phases[-1].seconds
    return replace(scenario, phases=tuple(phases))


def _within(phase: Phase, seconds: float, number: int) -> Phase:
    faults = tuple(each for each in phase.faults if each.at + each.lasts <= seconds)
    return replace(phase, name=f"{phase.name}, part {number}", seconds=seconds, faults=faults)


def as_data(scenario: Scenario) -> dict[str, Any]:
    """Give a scenario as JSON has it, what was drawn included."""
    return asdict(scenario)
