"""The settings: one frozen model, validated once at the start. Environment (REDRIVE_*) before file before defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from orchestrator.domain.commands import Mode
from orchestrator.domain.errors import RedriveError

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
SECRETS = ("api_token", "stackstorm_api_key", "rudderstack_write_key")


class SettingsInvalid(RedriveError):
    """A setting that cannot be used; names the variable, what was expected and what came."""


class Settings(BaseSettings):
    """What an orchestrator is told. Times are seconds."""

    model_config = SettingsConfigDict(env_prefix="REDRIVE_", frozen=True, extra="forbid")

    bus_url: str
    broker_url: str = Field("", description="the Celery broker; the bus when empty")
    ledger_url: str
    eventlog_url: str
    warehouse_url: str
    stackstorm_url: str
    stackstorm_api_key: SecretStr | None = None
    stackstorm_api_key_file: Path | None = None
    stackstorm_timeout: float = Field(10, gt=0)
    rudderstack_url: str | None = None
    rudderstack_write_key: SecretStr | None = None
    rudderstack_write_key_file: Path | None = None
    rudderstack_timeout: float = Field(10, gt=0)
    api_host: str = "127.0.0.1"
    api_port: int = Field(8400, ge=0, le=65535)
    api_token: SecretStr | None = None
    api_token_file: Path | None = None
    mode: Mode = Mode.OBSERVE
    idempotent_tasks: Annotated[tuple[str, ...], NoDecode] = ()
    outcome_grace: float = Field(30, ge=0)
    outcome_timeout: float = Field(3600, gt=0)
    rule_grace: float = Field(10, gt=0)
    lease_seconds: float = Field(10, gt=0)

    @field_validator("idempotent_tasks", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:  # noqa: ANN401 - whatever the environment holds
        return tuple(filter(None, value.split(","))) if isinstance(value, str) else value

    @model_validator(mode="before")
    @classmethod
    def _read_secrets(cls, values: dict[str, Any]) -> dict[str, Any]:
        for name in SECRETS:
            path, given = values.get(f"{name}_file"), values.get(name)
            if path and not given:
                given = Path(path).read_text().strip()
            # An empty secret guards nothing: it counts as none.
            values = {**values, name: given or None}
        return values

    @model_validator(mode="after")
    def _guard(self) -> Self:
        if self.api_host not in LOOPBACK and self.api_token is None:
            raise ValueError(
                f"expected a token for an API on {self.api_host}, got none; "
                "set REDRIVE_API_TOKEN or REDRIVE_API_TOKEN_FILE"
            )
        if self.rudderstack_url and self.rudderstack_write_key is None:
            raise ValueError("expected REDRIVE_RUDDERSTACK_WRITE_KEY beside REDRIVE_RUDDERSTACK_URL, got none")
        return self

    @property
    def redrive_url(self) -> str:
        """Give the broker that failed tasks are published to."""
        return self.broker_url or self.bus_url


def load(**given: Any) -> Settings:
    """Read the settings; raises SettingsInvalid naming each variable that is wrong, never the value of a secret."""
    try:
        return Settings(**given)
    except ValidationError as error:
        raise SettingsInvalid("; ".join(_told(each) for each in error.errors(include_input=False))) from None
    except OSError as error:
        raise SettingsInvalid(f"expected a file that can be read, got: {error}") from None


def _told(error: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    name = "_".join(str(part) for part in error["loc"])
    return f"REDRIVE_{name.upper()}: {error['msg']}" if name else str(error["msg"])
