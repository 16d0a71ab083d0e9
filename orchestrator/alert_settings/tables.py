"""`[alerts]`: targets, ladders, rules and quiet hours by name, each name looked for at the start."""

from __future__ import annotations

import json
from decimal import Decimal
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, Final, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from orchestrator.alert_settings.targets import AppriseTable, Name, PagerDutyTable, QuietTable
from orchestrator.dependency_settings.reading import Table
from orchestrator.domain.failures import Kind
from orchestrator.domain.incidents import Severity
from orchestrator.domain.ladders import Ladder, Level, Rule, Watch

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST: Final = 100
DAY: Final = 86_400
STANDARD: Final = Watch()
KINDS: Final = ("apprise", "pagerduty")
Seconds = Annotated[float, Field(ge=0, le=30 * DAY, allow_inf_nan=False)]
Pattern = Annotated[str, Field(min_length=1, max_length=500)]


def _kind(given: Any) -> str | None:  # noqa: ANN401 - whatever the settings hold
    kind = given.get("kind") if isinstance(given, dict) else getattr(given, "kind", None)
    return kind if kind in KINDS else None


AnyTarget = Annotated[
    Annotated[AppriseTable, Tag("apprise")] | Annotated[PagerDutyTable, Tag("pagerduty")],
    Discriminator(
        _kind,
        custom_error_type="target_kind",
        custom_error_message=f"expected a table with a kind of {' or '.join(KINDS)}, got another or none",
    ),
]


class LevelTable(Table):
    """`[[alerts.ladders.NAME.levels]]`: whom it tells, and when; one condition is enough unless `every` is set."""

    name: Name
    targets: Annotated[tuple[Name, ...], Field(min_length=1, max_length=20)]
    after_seconds: Seconds | None = None
    unanswered_seconds: Seconds | None = None
    size: int | None = Field(None, ge=1)
    attempts: int | None = Field(None, ge=1, le=100_000)
    severity: Severity | None = None
    money_usd: Decimal | None = Field(None, gt=0, allow_inf_nan=False)
    every: bool = False
    wakes_always: bool = False

    def level(self) -> Level:
        """Make the domain's level."""
        given = self.model_dump(exclude={"after_seconds", "unanswered_seconds", "money_usd"})
        return Level(**given, after=self.after_seconds, unanswered=self.unanswered_seconds, money=self.money_usd)

    @property
    def waits(self) -> bool:
        """Tell whether it has a condition."""
        numbers = (self.after_seconds, self.unanswered_seconds, self.size, self.attempts, self.severity, self.money_usd)
        return any(each is not None for each in numbers)


class LadderTable(Table):
    """`[alerts.ladders.NAME]`: levels, the first one first."""

    levels: Annotated[tuple[LevelTable, ...], Field(min_length=1, max_length=20)]
    again_after_seconds: Seconds | None = None

    @model_validator(mode="after")
    def _expect_levels(self) -> Self:
        names = [each.name for each in self.levels]
        if len(set(names)) < len(names):
            raise ValueError(f"expected levels with names of their own, got {', '.join(names)}")
        for each in self.levels[1:]:
            if not each.waits:
                raise ValueError(f"expected a condition for the level {each.name!r}, got none: nothing waits for it")
        if self.levels[0].unanswered_seconds is not None:
            raise ValueError("expected unanswered_seconds from the second level on: nobody was asked before the first")
        return self

    def ladder(self, name: str) -> Ladder:
        """Make the domain's ladder."""
        return Ladder(name, tuple(each.level() for each in self.levels), self.again_after_seconds)


class RuleTable(Table):
    """`[[alerts.rules]]`: which incidents go by which ladder, `none` by none, and how severe they are."""

    ladder: Name
    dependency: Pattern | None = None
    kind: Kind | None = None
    task: Pattern | None = None
    severity: Severity | None = None

    def rule(self) -> Rule:
        """Make the domain's rule."""
        given = {name: getattr(self, name) for name in ("dependency", "kind", "task", "severity")}
        return Rule(None if self.ladder == NOBODY else self.ladder, **given)


NOBODY: Final = "none"


class AlertsTable(Table):
    """`[alerts]`: times are seconds."""

    default: Name | None = None
    storm_seconds: Seconds = STANDARD.storm
    storm_incidents: int = Field(STANDARD.storm_incidents, ge=2, le=10_000)
    flapping_seconds: Seconds = STANDARD.flapping
    update_seconds: Seconds = STANDARD.update_every
    targets: dict[Name, AnyTarget] = Field(default_factory=dict, max_length=MOST)
    ladders: dict[Name, LadderTable] = Field(default_factory=dict, max_length=MOST)
    rules: Annotated[tuple[RuleTable, ...], Field(max_length=1_000)] = ()
    quiet_hours: dict[Name, QuietTable] = Field(default_factory=dict, max_length=MOST)

    @model_validator(mode="after")
    def _expect_names(self) -> Self:
        for name, target in self.targets.items():
            _known(f"targets.{name}.fallback", target.fallback, self.targets, "target")
            if name in target.fallback:
                raise ValueError(f"targets.{name}.fallback: expected other targets, got itself")
            _known(f"targets.{name}.quiet_hours", _given(target.quiet_hours), self.quiet_hours, "table of quiet hours")
        for name, ladder in self.ladders.items():
            for level in ladder.levels:
                _known(f"ladders.{name}.levels.{level.name}.targets", level.targets, self.targets, "target")
        ladders = {NOBODY, *self.ladders}
        _known("default", _given(self.default), ladders, "ladder")
        _known("rules.ladder", [each.ladder for each in self.rules], ladders, "ladder")
        if NOBODY in self.ladders:
            raise ValueError(f"ladders: expected another name than {NOBODY!r}, by which a rule tells nobody")
        return self

    def watch(self) -> Watch:
        """Make the domain's value."""
        quiet = {name: self.quiet_hours[each.quiet_hours] for name, each in self.targets.items() if each.quiet_hours}
        return Watch(
            ladders={name: table.ladder(name) for name, table in self.ladders.items()},
            default=self.default,
            rules=tuple(each.rule() for each in self.rules),
            quiet={name: table.hours() for name, table in quiet.items()},
            storm=self.storm_seconds,
            storm_incidents=self.storm_incidents,
            flapping=self.flapping_seconds,
            update_every=self.update_seconds,
        )

    def secrets(self) -> list[str]:
        """Give what must never be told."""
        return [secret for target in self.targets.values() for secret in target.secrets() if secret]


def without_tag(place: list[Any]) -> list[Any]:
    """Leave out of a place in the table of targets what pydantic calls the kind: it is no key of the settings."""
    tagged = place[:1] == ["targets"]
    return [each for number, each in enumerate(place) if not (tagged and number == 2 and each in KINDS)]  # noqa: PLR2004 - targets, name, kind


def _given(name: str | None) -> list[str]:
    return [] if name is None else [name]


def _known(place: str, names: Iterable[str], known: Iterable[str], what: str) -> None:
    for name in names:
        if name not in known:
            near = get_close_matches(name, list(known), 1)
            advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(known) or 'none'}"
            raise ValueError(f"{place}: expected the name of a {what}, got {name!r}; {advice}")


def _table(given: Any) -> Any:  # noqa: ANN401 - whatever the settings hold
    """Read the table: from the file as it is, from the environment as JSON."""
    if not isinstance(given, str):
        return given
    try:
        return json.loads(given or "{}")
    except json.JSONDecodeError as error:
        raise ValueError(f"expected a JSON object, got no JSON: {error}") from None


Alerts = Annotated[AlertsTable, BeforeValidator(_table)]
