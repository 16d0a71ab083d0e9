"""The settings: one frozen model, validated once at the start.

The environment (REDRIVE_*) comes before the TOML file that REDRIVE_SETTINGS_FILE names, and that before the defaults.
"""

from __future__ import annotations

import os
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, TomlConfigSettingsSource

from orchestrator.domain.commands import Mode
from orchestrator.domain.errors import RedriveError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_settings import PydanticBaseSettingsSource

PREFIX = "REDRIVE_"
FILE_VARIABLE = "REDRIVE_SETTINGS_FILE"
# Variables of the same prefix that are not the orchestrator's: the worker's, the command line's, the tests'.
OTHERS = (
    "REDRIVE_SPOOL_DIR",
    "REDRIVE_SKETCH_KEY",
    "REDRIVE_API_URL",
    "REDRIVE_FAILPOINT",
    "REDRIVE_TEST_",
    FILE_VARIABLE,
)
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
SECRETS = ("api_token", "stackstorm_api_key", "rudderstack_write_key")


class SettingsInvalid(RedriveError):
    """A setting that cannot be used; names the variable, what was expected and what came."""


class Settings(BaseSettings):
    """What an orchestrator is told. Times are seconds."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

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

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings' signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read what is given, then the environment, then the file."""
        path = os.environ.get(FILE_VARIABLE)
        if not path:
            return (init_settings, env_settings)
        Path(path).open("rb").close()  # a file that is not there would count as empty
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls, Path(path)))

    @property
    def redrive_url(self) -> str:
        """Give the broker that failed tasks are published to."""
        return self.broker_url or self.bus_url


def load(**given: Any) -> Settings:
    """Read the settings; raises SettingsInvalid naming each variable that is wrong, never the value of a secret."""
    _refuse_unknown(os.environ)
    try:
        return Settings(**given)
    except ValidationError as error:
        raise SettingsInvalid("; ".join(_told(each) for each in error.errors(include_input=False))) from None
    except OSError as error:
        raise SettingsInvalid(f"expected a file that can be read, got: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsInvalid(f"{FILE_VARIABLE}: expected a TOML file, got: {error}") from None


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    """Refuse a variable that is nearly a setting: a typo would otherwise leave the default in force."""
    known = [PREFIX + name.upper() for name in Settings.model_fields]
    for variable in environ:
        if variable.startswith(PREFIX) and variable not in known and not variable.startswith(OTHERS):
            near = get_close_matches(variable, known, 1)
            advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}"
            raise SettingsInvalid(f"{variable}: expected the name of a setting, got an unknown one; {advice}")


def _told(error: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    name = "_".join(str(part) for part in error["loc"])
    if error["type"] == "missing":
        return f"REDRIVE_{name.upper()}: expected a value, got none (docs/settings.md)"
    return f"REDRIVE_{name.upper()}: {error['msg']}" if name else str(error["msg"])
