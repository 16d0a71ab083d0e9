"""`[sinks.NAME]`: the table of sinks by name, completed by the single settings that name the default ones."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BeforeValidator, Discriminator, SecretStr, Tag

from orchestrator.sink_settings.kinds import (
    CloudEventsTable,
    FileTable,
    OtlpTable,
    OwnTable,
    RudderStackTable,
    SinkTable,
    WarehouseTable,
    WithPlace,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS: Final = ("rudderstack", "warehouse", "otlp", "cloudevents", "file")
# The names of what the single settings make: REDRIVE_WAREHOUSE_URL, REDRIVE_RUDDERSTACK_*, REDRIVE_OTLP_*.
DEFAULTS: Final = ("warehouse", "rudderstack", "otlp")
OWN: Final = "own"
MOST: Final = 1_000
# A part of an orchestrator is named for it, `relay-NAME-telemetry`, in 60 characters of the ledger.
NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


def _kind(given: Any) -> str | None:  # noqa: ANN401 - whatever the settings hold
    kind = given.get("kind") if isinstance(given, dict) else getattr(given, "kind", None)
    if not isinstance(kind, str):
        return None
    if kind in KINDS:
        return kind
    return OWN if ":" in kind else None


_Any = Annotated[
    Annotated[RudderStackTable, Tag("rudderstack")]
    | Annotated[WarehouseTable, Tag("warehouse")]
    | Annotated[OtlpTable, Tag("otlp")]
    | Annotated[CloudEventsTable, Tag("cloudevents")]
    | Annotated[FileTable, Tag("file")]
    | Annotated[OwnTable, Tag(OWN)],
    Discriminator(
        _kind,
        custom_error_type="sink_kind",
        custom_error_message=f"expected a table with a kind of {', '.join(KINDS)} or your own as module:function, "
        "got another or none",
    ),
]


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
        _expect_name(name, table)
    return given


def _expect_name(name: object, table: object) -> None:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(f"expected a name of 1 to 40 characters of a-z, 0-9, - and _, got {str(name)[:80]!r}")
    if name in DEFAULTS and _kind(table) != name:
        raise ValueError(f"expected kind {name!r} in the table {name!r}: that is a name of its own, got another kind")


Sinks = Annotated[dict[str, _Any], BeforeValidator(_tables)]


def completed(tables: Mapping[str, SinkTable], default: Mapping[str, SinkTable]) -> dict[str, SinkTable]:
    """Join the tables and the default ones, which give what a table of their name leaves open.

    Raises ValueError for a sink without a place or a key.
    """
    joined = {name: table for name, table in default.items() if name not in tables}
    joined |= {name: _filled(table, default.get(name)) for name, table in tables.items()}
    for name, table in joined.items():
        if isinstance(table, WithPlace) and not table.place:
            raise ValueError(f"REDRIVE_SINKS.{name}: expected url or url_file, got neither")
        if isinstance(table, RudderStackTable) and table.write_key is None:
            raise ValueError(f"REDRIVE_SINKS.{name}: expected write_key or write_key_file, got neither")
    return joined


def _filled(table: SinkTable, default: SinkTable | None) -> SinkTable:
    if default is None:
        return table
    return table.model_copy(
        update={name: getattr(default, name) for name in default.model_fields_set - table.model_fields_set}
    )


def without_tag(place: list[Any]) -> list[Any]:
    """Leave out of a place in the table of sinks what pydantic calls the kind: it is no key of the settings."""
    return [each for number, each in enumerate(place) if number != 1 or each not in {*KINDS, OWN}]


def secrets_of(tables: Mapping[str, SinkTable]) -> tuple[str, ...]:
    """Give what must never be told."""
    return tuple(secret for table in tables.values() for secret in table.secrets() if secret)


def urls_of(tables: Mapping[str, SinkTable]) -> tuple[str, ...]:
    """Give the URLs: their passwords must never be told."""
    return tuple(table.place for table in tables.values() if table.place)


def secret(text: str | None) -> SecretStr | None:
    """Keep a text that may hold a secret."""
    return SecretStr(text) if text else None
