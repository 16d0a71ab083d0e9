"""`[alerts.targets.NAME]`: one table for each kind of target, and `[alerts.quiet_hours.NAME]`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, field_validator, model_validator

from eventbus import scrub
from orchestrator.dependency_settings.reading import Table, WithUrl, of_scheme, read_file
from orchestrator.domain.errors import InvalidPlan
from orchestrator.domain.incidents import Severity
from orchestrator.domain.quiet_hours import QuietHours
from orchestrator.domain.windows import window_of
from orchestrator.notify.pagerduty import URL

# A sink is named for a target, `alerts-NAME`, in 40 characters.
NAME = r"^[a-z0-9][a-z0-9_-]{0,29}$"
Name = Annotated[str, Field(pattern=NAME)]


class QuietTable(Table):
    """When people are not to be woken: windows by the wall clock of a time zone; `wakes` is what goes all the same."""

    timezone: str
    windows: Annotated[tuple[str, ...], Field(min_length=1, max_length=20)]
    wakes: Severity = Severity.CRITICAL

    @field_validator("timezone")
    @classmethod
    def _expect_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"expected a time zone like Europe/Berlin, got {name[:60]!r}") from None
        return name

    @field_validator("windows")
    @classmethod
    def _expect_windows(cls, windows: tuple[str, ...]) -> tuple[str, ...]:
        for each in windows:
            try:
                window_of(each)
            except InvalidPlan as error:
                raise ValueError(str(error).replace("gate.windows", "windows")) from None
        return windows

    def hours(self) -> QuietHours:
        """Make the domain's quiet hours."""
        return QuietHours(ZoneInfo(self.timezone), tuple(map(window_of, self.windows)), self.wakes)


class Target(Table):
    """What every target has: its quiet hours, how long and how often it is tried, and who is told in its place."""

    kind: str
    quiet_hours: Name | None = None
    timeout_seconds: float = Field(5, gt=0, le=60, allow_inf_nan=False)
    tries: int = Field(2, ge=1, le=10)
    fallback: Annotated[tuple[Name, ...], Field(max_length=10)] = ()

    def secrets(self) -> list[str]:
        """Give what must never be told."""
        return []


class AppriseTable(Target, WithUrl):
    """`kind = "apprise"`: any service that apprise knows, by its URL."""

    kind: Literal["apprise"]

    def secrets(self) -> list[str]:
        """Give the URL, its password, and each part of it that may be a key or a password."""
        _, _, rest = self.place.partition("://")
        parts = re.split(r"[/?&@:=]", rest)
        _, _, password = re.split("[/?]", rest)[0].rpartition("@")[0].partition(":")
        _, _, query = rest.partition("?")
        named = [value for name, value in parse_qsl(query) if scrub.SECRET_NAME.search(name)]
        return [self.place, rest, password, *named, *(each for each in parts if _looks_secret(each))]


def _looks_secret(part: str) -> bool:
    """Tell whether a part of a URL may be a key: no host, no address and no plain word, which stand in many texts."""
    mixed = any(each.isdigit() or each.isupper() for each in part)
    return mixed and "." not in part and not part.isdigit()


class PagerDutyTable(Target):
    """`kind = "pagerduty"`: a service of PagerDuty, by the routing key of its Events API v2 integration."""

    kind: Literal["pagerduty"]
    routing_key: SecretStr | None = None
    routing_key_file: Path | None = None
    url: SecretStr = SecretStr(URL)

    @model_validator(mode="before")
    @classmethod
    def _read_key(cls, given: Any) -> Any:  # noqa: ANN401 - whatever the settings hold
        if not isinstance(given, dict):
            return given
        if (given.get("routing_key") is None) is (given.get("routing_key_file") is None):
            raise ValueError("expected either routing_key or routing_key_file, got both or neither")
        path = given.get("routing_key_file")
        return given if path is None else given | {"routing_key": read_file(path)}

    @field_validator("routing_key")
    @classmethod
    def _expect_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not (key.get_secret_value().isascii() and key.get_secret_value().isalnum()):
            raise ValueError("expected a routing key of letters and digits, got another text")
        return key

    @field_validator("url")
    @classmethod
    def _expect_http(cls, url: SecretStr) -> SecretStr | None:
        return of_scheme(url, ("http", "https"))

    @property
    def key(self) -> str:
        """Give the routing key itself."""
        return self.routing_key.get_secret_value() if self.routing_key else ""

    def secrets(self) -> list[str]:
        """Give the routing key, and an address of one's own, which may have one in it."""
        url = self.url.get_secret_value()
        return [self.key] if url == URL else [self.key, url]
