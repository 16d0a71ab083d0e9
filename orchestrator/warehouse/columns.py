"""What the warehouse's columns are made of: exact money, the key of an event, whom and what a row is about."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Column, MetaData, Numeric, String, Text, TypeDecorator, Uuid

from orchestrator.stores import NAMING

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect
    from sqlalchemy.types import TypeEngine

metadata = MetaData(naming_convention=NAMING)

# A ten-billionth of a US dollar, and the first amount that NUMERIC(18, 10) cannot hold.
SCALE: Final = Decimal("1e-10")
LIMIT_USD: Final = Decimal(10**8)
EVENT_KEY: Final = Uuid(as_uuid=False).with_variant(String(36), "sqlite")
# Whom and what a row is about, in every log: an event's own `organization_id` is the log's `organization_id`.
ABOUT: Final = (
    "organization_id",
    "user_id",
    "agent_id",
    "workflow_execution_id",
    "node_id",
    "request_id",
    "task_id",
    "incident_id",
    "trace_id",
    "optimizer_version",
    "policy_version",
)


class Usd(TypeDecorator[Decimal]):
    """An amount of US dollars to ten decimals: NUMERIC(18, 10), or more digits for a sum; on SQLite TEXT."""

    impl = Numeric
    cache_ok = True

    def __init__(self, digits: int = 18) -> None:
        super().__init__(digits, 10)
        self.digits = digits

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the type that is exact."""
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else Numeric(self.digits, 10))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:  # noqa: ANN401 - SQLAlchemy's signature
        """Write all ten decimals out."""
        if value is None:
            return None
        amount = value.quantize(SCALE)
        return f"{amount:f}" if dialect.name == "sqlite" else amount

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:  # noqa: ANN401, ARG002 - SQLAlchemy's signature
        """Read the amount back, digit by digit."""
        return None if value is None else Decimal(value)


def about(*known: str) -> list[Column[Any]]:
    """Give the columns that say whom and what a row is about, but for those that its table has `known` for longer."""
    return [Column(name, Text) for name in ABOUT if name not in known]
