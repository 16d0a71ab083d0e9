"""`[dependencies.NAME]`: who leans on a dependency, how it is probed, and its numbers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, model_validator

from orchestrator.dependency_settings.reading import Table, WithUrl, alone
from orchestrator.dependency_settings.ways import HttpTable, SqlTable, TaskTable, TcpTable
from orchestrator.domain.dependencies import Policies, Policy
from orchestrator.domain.probes import EVERY, TIMEOUT, ProbeSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST: Final = 1_000
LONGEST_NAME: Final = 200
# The table whose numbers hold for every dependency that has none of its own.
EVERY_OTHER: Final = "*"
STANDARD: Final = Policy()
DAY: Final = 86_400
WAYS: Final = ("http", "tcp", "sql", "task")

Pattern = Annotated[str, Field(min_length=1, max_length=500)]
Seconds = Annotated[float, Field(gt=0, le=DAY, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Count = Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)]


class ProbeTable(Table):
    """`probe`: one way to ask, how often while the dependency is not healthy, and how long to wait for the answer."""

    http: Annotated[HttpTable, alone("url")] | None = None
    tcp: Annotated[TcpTable, alone("host")] | None = None
    sql: Annotated[SqlTable, alone("url")] | None = None
    task: Annotated[TaskTable, alone("name")] | None = None
    every_seconds: float = Field(EVERY, ge=0.01, le=DAY, allow_inf_nan=False)
    timeout_seconds: float = Field(TIMEOUT, gt=0, le=300, allow_inf_nan=False)

    @property
    def way(self) -> HttpTable | TcpTable | SqlTable | TaskTable:
        """Give the one way that is set."""
        return next(each for each in (self.http, self.tcp, self.sql, self.task) if each is not None)

    @model_validator(mode="after")
    def _expect_one(self) -> Self:
        given = [name for name in WAYS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"expected one of {', '.join(WAYS)}, got {' and '.join(given) or 'none'}")
        return self

    def spec(self) -> ProbeSpec:
        """Make the domain's probe."""
        return self.way.spec(self.every_seconds, self.timeout_seconds)


class DependencyTable(Table):
    """`[dependencies.NAME]`: who leans on it, its probe, and the numbers of its policy (times are seconds)."""

    tasks: tuple[Pattern, ...] = ()
    probe: ProbeTable | None = None
    half_life: Seconds = STANDARD.half_life
    minimum: Count = STANDARD.minimum
    suspect_rate: Share = STANDARD.suspect_rate
    down_rate: Share = STANDARD.down_rate
    tolerated_rate: Share = STANDARD.tolerated_rate
    passes: int = Field(STANDARD.passes, ge=1, le=100)
    risk: float = Field(STANDARD.risk, gt=0, lt=1, allow_inf_nan=False)
    patience: float = Field(STANDARD.patience, ge=1, le=30 * DAY, allow_inf_nan=False)
    live_for: Seconds = STANDARD.live_for
    first_window: float = Field(STANDARD.first_window, ge=1, le=100_000, allow_inf_nan=False)
    max_in_flight: int = Field(STANDARD.max_in_flight, ge=1, le=100_000)
    budget_rate: Count = STANDARD.budget_rate
    budget_burst: float = Field(STANDARD.budget_burst, ge=1, le=1_000_000, allow_inf_nan=False)
    budget_share: float = Field(STANDARD.budget_share, ge=0, le=100, allow_inf_nan=False)

    @model_validator(mode="after")
    def _expect_order(self) -> Self:
        if not self.tolerated_rate < self.suspect_rate <= self.down_rate:
            raise ValueError(
                "expected tolerated_rate below suspect_rate, and that at most down_rate, "
                f"got {self.tolerated_rate:g}, {self.suspect_rate:g} and {self.down_rate:g}"
            )
        return self

    def policy(self) -> Policy:
        """Make the domain's policy."""
        numbers = self.model_dump(exclude={"tasks", "probe"})
        return Policy(**numbers, probed=self.probe is not None)


def _tables(given: Any) -> Any:  # noqa: ANN401 - whatever the settings hold
    """Read the tables by name: from the file as they are, from the environment as JSON."""
    if isinstance(given, str):
        try:
            given = json.loads(given or "{}")
        except json.JSONDecodeError as error:
            raise ValueError(f"expected a JSON object of tables by name, got no JSON: {error}") from None
    if not isinstance(given, dict) or len(given) > MOST:
        raise ValueError(f"expected at most {MOST} tables by name, got another thing")
    for name, table in given.items():
        _expect_name(name)
        if name == EVERY_OTHER and isinstance(table, dict) and table.keys() & {"tasks", "probe"}:
            raise ValueError(f"expected numbers alone in the table {EVERY_OTHER!r}, got tasks or a probe")
    return given


def _expect_name(name: object) -> None:
    if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME or "\x00" in name:
        raise ValueError(f"expected a name of 1 to {LONGEST_NAME} characters, got {str(name)[:60]!r}")


Dependencies = Annotated[dict[str, DependencyTable], BeforeValidator(_tables)]


def policies_of(tables: Mapping[str, DependencyTable]) -> Policies:
    """Make the domain's policies."""
    named = {name: table.policy() for name, table in tables.items() if name != EVERY_OTHER}
    return Policies(named, tables[EVERY_OTHER].policy() if EVERY_OTHER in tables else STANDARD)


def probes_of(tables: Mapping[str, DependencyTable]) -> dict[str, ProbeSpec]:
    """Make the domain's probes, by the name of their dependency."""
    return {name: table.probe.spec() for name, table in tables.items() if table.probe}


def patterns_of(tables: Mapping[str, DependencyTable]) -> tuple[tuple[str, str], ...]:
    """Give pairs of a task name pattern and a dependency, in the order of the settings: the first that fits counts."""
    return tuple((pattern, name) for name, table in tables.items() for pattern in table.tasks)


def secrets_of(tables: Mapping[str, DependencyTable]) -> tuple[str, ...]:
    """Give what must never be told: headers that are credentials, HTTP URLs that stand in files, and queries."""
    ways = [table.probe.way for table in tables.values() if table.probe]
    asked = [way for way in ways if isinstance(way, HttpTable)]
    return (
        *(word for way in asked for word in way.credentials()),
        *(way.place for way in asked if way.url_file),
        *(urlsplit(way.place).query for way in asked),
    )


def urls_of(tables: Mapping[str, DependencyTable]) -> tuple[str, ...]:
    """Give the URLs of probes: their passwords must never be told."""
    ways = [table.probe.way for table in tables.values() if table.probe]
    return tuple(way.place for way in ways if isinstance(way, WithUrl))
