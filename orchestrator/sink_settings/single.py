"""The sinks that single settings name: the warehouse always, RudderStack and a collector where their URLs are given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from pydantic import SecretStr

from orchestrator.dependency_settings.reading import sendable
from orchestrator.sink_settings.kinds import OtlpTable, RudderStackTable, WarehouseTable, expect_key

if TYPE_CHECKING:
    from orchestrator.sink_settings.kinds import SinkTable


class Single(Protocol):
    """The settings that each name a part of a sink."""

    @property
    def warehouse_url(self) -> str:
        """Name the database."""

    @property
    def rudderstack_url(self) -> str | None:
        """Name the data plane."""

    @property
    def rudderstack_write_key(self) -> SecretStr | None:
        """Name its source."""

    @property
    def rudderstack_timeout(self) -> float:
        """Give seconds."""

    @property
    def otlp_url(self) -> str | None:
        """Name the collector."""

    @property
    def otlp_headers(self) -> SecretStr | None:
        """Give `name=value,name=value`."""

    @property
    def otlp_timeout(self) -> float:
        """Give seconds."""


def defaults_of(settings: Single) -> dict[str, SinkTable]:
    """Make the tables of the default sinks, whose settings have been checked each by itself; raises ValueError."""
    made: dict[str, SinkTable] = {
        "warehouse": WarehouseTable.model_construct(kind="warehouse", url=SecretStr(settings.warehouse_url))
    }
    if settings.rudderstack_url:
        if settings.rudderstack_write_key is None:
            raise ValueError("expected REDRIVE_RUDDERSTACK_WRITE_KEY beside REDRIVE_RUDDERSTACK_URL, got none")
        made["rudderstack"] = RudderStackTable.model_construct(
            kind="rudderstack",
            url=SecretStr(settings.rudderstack_url),
            write_key=_key(settings.rudderstack_write_key),
            timeout=settings.rudderstack_timeout,
        )
    if settings.otlp_url:
        made["otlp"] = OtlpTable.model_construct(
            kind="otlp",
            url=SecretStr(settings.otlp_url),
            headers=_pairs(settings.otlp_headers),
            timeout=settings.otlp_timeout,
        )
    return made


def _pairs(headers: SecretStr | None) -> dict[str, Any]:
    """Read `name=value,name=value`, as OTEL_EXPORTER_OTLP_HEADERS has it."""
    parts = (each.partition("=") for each in (headers.get_secret_value() if headers else "").split(",") if each.strip())
    pairs = [(name.strip(), value.strip()) for name, _, value in parts]
    for number, (name, value) in enumerate(pairs, 1):
        # The name is not told: behind a comma within a value it is a part of that.
        if not sendable(name, value):
            raise ValueError(
                "REDRIVE_OTLP_HEADERS: expected headers' names and values of one line in ASCII, "
                f"got others in pair {number}"
            )
    return {name: SecretStr(value) for name, value in pairs}


def _key(key: SecretStr) -> SecretStr | None:
    try:
        return expect_key(key)
    except ValueError as error:
        raise ValueError(f"REDRIVE_RUDDERSTACK_WRITE_KEY: {error}") from None
