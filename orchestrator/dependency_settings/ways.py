"""The ways to probe a dependency, as tables of the settings; each makes the domain's probe."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, FilePath, SecretStr, field_validator, model_validator

from orchestrator.dependency_settings.reading import Table, WithHeaders, WithUrl, of_scheme
from orchestrator.domain.probes import HttpProbe, SqlProbe, TaskProbe, TcpProbe

READS: Final = re.compile(r"\s*(select|with|values|table)\b", re.IGNORECASE)

Text = Annotated[str, Field(min_length=1, max_length=2_000)]
Status = Annotated[int, Field(ge=100, le=599)]


class HttpTable(WithUrl, WithHeaders):
    """`http`: one request, with the operator's own headers where some are given."""

    method: Literal["GET", "HEAD", "OPTIONS", "POST"] = "GET"
    expect: Annotated[tuple[Status, ...], BeforeValidator(lambda each: [each] if isinstance(each, int) else each)] = ()
    ca_file: FilePath | None = None

    @field_validator("url")
    @classmethod
    def _expect_http(cls, url: SecretStr | None) -> SecretStr | None:
        return of_scheme(url, ("http", "https"))

    def spec(self, every: float, timeout: float) -> HttpProbe:
        """Make the domain's probe."""
        return HttpProbe(
            url=self.place,
            method=self.method,
            expect=self.expect,
            headers=tuple((name, value.get_secret_value()) for name, value in self.headers.items()),
            ca_file=str(self.ca_file) if self.ca_file else None,
            every=every,
            timeout=timeout,
        )


class TcpTable(Table):
    """`tcp`: a connection. As a text: host:port."""

    host: Text
    port: int = Field(ge=1, le=65_535)

    @model_validator(mode="before")
    @classmethod
    def _split(cls, given: Any) -> Any:  # noqa: ANN401 - whatever the settings hold
        if not isinstance(given, dict) or given.keys() != {"host"}:
            return given
        host, colon, port = str(given["host"]).rpartition(":")
        if not (host and colon and port.isdigit()):
            raise ValueError(f"expected host:port, got {given['host']!r}")
        return {"host": host.removeprefix("[").removesuffix("]"), "port": int(port)}

    def spec(self, every: float, timeout: float) -> TcpProbe:
        """Make the domain's probe."""
        return TcpProbe(self.host, self.port, every, timeout)


class SqlTable(WithUrl):
    """`sql`: a statement that reads, on SQLite or PostgreSQL."""

    statement: Text = "SELECT 1"

    @field_validator("url")
    @classmethod
    def _expect_database(cls, url: SecretStr | None) -> SecretStr | None:
        return of_scheme(url, ("sqlite", "postgresql", "postgresql+psycopg"))

    @field_validator("statement")
    @classmethod
    def _expect_reading(cls, statement: str) -> str:
        if not READS.match(statement):
            raise ValueError("expected a statement that begins with SELECT, WITH, VALUES or TABLE, got another one")
        return statement

    def spec(self, every: float, timeout: float) -> SqlProbe:
        """Make the domain's probe."""
        return SqlProbe(self.place, self.statement, every, timeout)


class TaskTable(Table):
    """`task`: a task that a worker runs as a canary. As a text: its name."""

    name: Annotated[str, Field(min_length=1, max_length=500)]
    queue: Annotated[str, Field(min_length=1, max_length=255)] = "celery"
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = Field(default_factory=dict)

    @field_validator("args", "kwargs")
    @classmethod
    def _expect_json(cls, value: Any) -> Any:  # noqa: ANN401 - whatever the settings hold
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"expected values that JSON can hold, got: {error}") from error
        return value

    def spec(self, every: float, timeout: float) -> TaskProbe:
        """Make the domain's probe."""
        return TaskProbe(self.name, self.queue, self.args, self.kwargs, every, timeout)
