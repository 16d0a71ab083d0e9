"""The settings: one frozen model, validated once at the start.

The environment (REDRIVE_*) comes before the TOML file that REDRIVE_SETTINGS_FILE names, and that before the defaults.
"""

from __future__ import annotations

import json
import os
import tomllib
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import (
    Field,
    FilePath,
    InstanceOf,
    SecretStr,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, TomlConfigSettingsSource

from eventbus import scrub
from orchestrator.alert_settings import tables as alert_tables
from orchestrator.alert_settings.tables import Alerts, AlertsTable
from orchestrator.api.actors import THE_TOKEN, read_tokens
from orchestrator.api.ingest.write_keys import read_keys
from orchestrator.classification import ClassifyRules
from orchestrator.dependency_settings.tables import Dependencies, secrets_of, urls_of
from orchestrator.domain.commands import Mode
from orchestrator.domain.errors import SettingsInvalid
from orchestrator.domain.routes.constraints import MEMORY_CLASSES, Classes
from orchestrator.domain.routes.reading import table_of
from orchestrator.domain.routes.table import RouteTable
from orchestrator.sink_settings import tables as sink_tables
from orchestrator.sink_settings.single import defaults_of
from orchestrator.sink_settings.tables import Sinks, completed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_settings import PydanticBaseSettingsSource

    from orchestrator.domain.classify import OwnRule
    from orchestrator.sink_settings.kinds import SinkTable

PREFIX = "REDRIVE_"
FILE_VARIABLE = "REDRIVE_SETTINGS_FILE"
# Variables of the same prefix that are not the orchestrator's: the worker's, the command line's, the tests'.
OTHERS = (
    "REDRIVE_SPOOL_",
    "REDRIVE_SKETCH_KEY",
    "REDRIVE_DECLARATIONS_FILE",
    "REDRIVE_LINT_",
    "REDRIVE_CLAIM_ABOVE",
    "REDRIVE_DENY_HEADERS",
    "REDRIVE_TRACES",
    "REDRIVE_SERVICE_VERSION",
    "REDRIVE_API_URL",
    "REDRIVE_FAILPOINT",
    "REDRIVE_TEST_",
    FILE_VARIABLE,
)
ORPHAN_GRACE = 120.0
BUS = ("amqp", "amqps", "pyamqp", "redis", "rediss", "sentinel", "redrive+sqlite", "memory")
DATABASE = ("sqlite", "postgresql")
WEB = ("http", "https")
# Which schemes a URL may have; a database's may name a driver too, as in postgresql+psycopg.
SCHEMES = {
    "bus_url": BUS,
    "broker_url": BUS,
    "ledger_url": DATABASE,
    "eventlog_url": DATABASE,
    "stackstorm_url": WEB,
    "stackstorm_auth_url": WEB,
    "rudderstack_url": WEB,
}
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
SECRETS = (
    "api_token",
    "api_tokens",
    "write_keys",
    "stackstorm_api_key",
    "stackstorm_password",
    "rudderstack_write_key",
    "otlp_headers",
    "result_backend_url",
    "message_keys",
)


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
    stackstorm_auth_url: str | None = None
    stackstorm_user: str | None = None
    stackstorm_password: SecretStr | None = None
    stackstorm_password_file: Path | None = None
    stackstorm_cacert: FilePath | None = None
    stackstorm_timeout: float = Field(10, gt=0)
    rudderstack_url: str | None = None
    rudderstack_write_key: SecretStr | None = None
    rudderstack_write_key_file: Path | None = None
    rudderstack_timeout: float = Field(10, gt=0)
    otlp_url: str | None = Field(None, pattern=r"^https?://")
    otlp_headers: SecretStr | None = None
    otlp_headers_file: Path | None = None
    otlp_timeout: float = Field(10, gt=0)
    environment: str | None = None
    vcs_revision: str | None = None
    own_prices: FilePath | None = None
    message_keys: SecretStr | None = None
    message_keys_file: Path | None = None
    claim_url: str = ""
    journal_dir: Path | None = None
    api_host: str = "127.0.0.1"
    api_port: int = Field(8400, ge=0, le=65535)
    api_token: SecretStr | None = None
    api_token_file: Path | None = None
    api_tokens: SecretStr | None = None
    api_tokens_file: Path | None = None
    write_keys: SecretStr | None = None
    write_keys_file: Path | None = None
    mode: Mode = Mode.OBSERVE
    idempotent_tasks: Annotated[tuple[str, ...], NoDecode] = ()
    memory_classes: Annotated[tuple[str, ...], NoDecode] = MEMORY_CLASSES
    data_classes: Annotated[tuple[str, ...], NoDecode] = ()
    routes: Annotated[InstanceOf[RouteTable], NoDecode] = Field(default_factory=RouteTable, validate_default=True)
    classify: Annotated[ClassifyRules, NoDecode] = ()
    dependencies: Annotated[Dependencies, NoDecode] = Field(default_factory=dict)
    sinks: Annotated[Sinks, NoDecode] = Field(default_factory=dict)
    alerts: Annotated[Alerts, NoDecode] = Field(default_factory=AlertsTable)
    outcome_grace: float = Field(30, ge=0)
    outcome_timeout: float = Field(3600, gt=0)
    rule_grace: float = Field(10, gt=0)
    builtin_plan: bool = True
    builtin_after: float = Field(60, ge=0)
    dispatches_per_minute: int = Field(20, ge=2, le=1_000)
    task_failed_per_minute: int = Field(0, ge=0, le=60)
    lease_seconds: float = Field(10, gt=0)
    drain_seconds: float = Field(5, ge=0, le=300)
    sampling_wait: float = Field(5, ge=0, le=300)
    similarity_count: int = Field(2_000, ge=1, le=8_000)
    similarity_days: float = Field(7, gt=0, le=365)
    similarity_threshold: float = Field(0.9, gt=0, le=1)
    similarity_thresholds: dict[str, Annotated[float, Field(gt=0, le=1)]] = {}
    similarity_blocks: bool = False
    reconcile_every: float = Field(86_400, ge=0)
    reconcile_back: float = Field(172_800, gt=0)
    reconcile_lag: float = Field(300, ge=0)
    result_backend_url: SecretStr | None = None
    result_backend_url_file: Path | None = None
    result_key_prefix: str = ""
    result_table: str = Field("celery_taskmeta", min_length=1)
    result_rate: float = Field(1000, gt=0, description="keys or rows of the result backend that are read in a second")
    orphan_every: float = Field(30, gt=0)
    orphan_grace: float | None = Field(None, ge=0, description="None: what the broker's own redelivery may take")
    redelivery_grace: float = Field(3900, gt=0)
    worker_slack: float = Field(30, ge=0)
    retention_bodies_days: float = Field(7, gt=0, le=36_500)
    retention_rows_days: float = Field(90, gt=0, le=36_500)
    eventlog_bytes: int = Field(8 * 2**30, ge=2**20)
    eventlog_reserve: float = Field(0.1, gt=0, lt=1)
    eventlog_days: float = Field(7, gt=0, le=36_500)
    eventlog_keys_days: float = Field(7, ge=0, le=36_500)

    @field_validator("idempotent_tasks", "memory_classes", "data_classes", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:  # noqa: ANN401 - whatever the environment holds
        names = value.split(",") if isinstance(value, str) else value
        return tuple(name.strip() for name in names if name.strip()) if _all_text(names) else value

    @field_validator("routes", mode="before")
    @classmethod
    def _read_routes(cls, value: Any, info: ValidationInfo) -> RouteTable:  # noqa: ANN401 - whatever the environment holds
        classes = Classes(info.data.get("memory_classes", MEMORY_CLASSES), info.data.get("data_classes", ()))
        if isinstance(value, RouteTable):
            return replace(value, classes=classes)
        try:
            documents = json.loads(value) if isinstance(value, str) else value
        except json.JSONDecodeError as error:
            raise ValueError(f"expected a list of entries as JSON, got: {error}") from None
        return table_of(documents, classes)

    @field_validator("write_keys")
    @classmethod
    def _expect_keys(cls, given: SecretStr | None) -> SecretStr | None:
        read_keys(given.get_secret_value() if given else "")
        return given

    @field_validator("api_tokens")
    @classmethod
    def _expect_tokens(cls, given: SecretStr | None) -> SecretStr | None:
        read_tokens(given.get_secret_value() if given else "")
        return given

    @field_validator(*SCHEMES)
    @classmethod
    def _expect_scheme(cls, url: str | None, info: ValidationInfo) -> str | None:
        """Refuse a URL that nobody here can open; its scheme alone is told, since the rest may hold a secret."""
        allowed = SCHEMES[info.field_name or ""]
        scheme, found, _ = (url or "").partition("://")
        driverless = scheme.partition("+")[0] if allowed is DATABASE else scheme
        if url and not (found and driverless in allowed):
            got = f"{scheme}://" if found else "one without a scheme"
            raise ValueError(
                f"expected a URL that begins with {', '.join(f'{each}://' for each in allowed)}; got {got}"
            )
        return url

    @model_validator(mode="before")
    @classmethod
    def _read_secrets(cls, values: dict[str, Any]) -> dict[str, Any]:
        for name in SECRETS:
            path, given = values.get(f"{name}_file"), values.get(name)
            if path and not given:
                given = Path(path).read_text().strip()
            if isinstance(given, dict):
                given = json.dumps(given)  # a table of the settings' file
            # An empty secret guards nothing: it counts as none.
            values = {**values, name: given or None}
        return values

    @model_validator(mode="after")
    def _guard(self) -> Self:
        if self.api_host not in LOOPBACK and not self.tokens_by_name:
            raise ValueError(
                f"expected a token for an API on {self.api_host}, got none; "
                "set REDRIVE_API_TOKEN, REDRIVE_API_TOKENS, or a file with one of them"
            )
        tokens = self.tokens_by_name
        if len(set(tokens.values())) < len(tokens):
            raise ValueError("expected REDRIVE_API_TOKEN to be none of REDRIVE_API_TOKENS, got one of them")
        login = (self.stackstorm_auth_url, self.stackstorm_user, self.stackstorm_password)
        if any(login) and (not all(login) or self.stackstorm_api_key):
            raise ValueError(
                "expected REDRIVE_STACKSTORM_API_KEY, or all of REDRIVE_STACKSTORM_AUTH_URL, REDRIVE_STACKSTORM_USER "
                "and REDRIVE_STACKSTORM_PASSWORD, got some of both or of the latter"
            )
        completed(self.sinks, defaults_of(self))
        if self.retention_rows_days < self.retention_bodies_days:
            raise ValueError(
                "expected REDRIVE_RETENTION_ROWS_DAYS of at least REDRIVE_RETENTION_BODIES_DAYS, "
                f"got {self.retention_rows_days:g} and {self.retention_bodies_days:g}"
            )
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
    def lost_after(self) -> float:
        """Give the seconds for which a task must look lost: while the broker may still deliver it again, it is not.

        RabbitMQ delivers again at once, Redis after its visibility time-out.
        """
        if self.orphan_grace is not None:
            return self.orphan_grace
        on_redis = self.redrive_url.startswith(("redis", "sentinel"))
        return self.redelivery_grace if on_redis else ORPHAN_GRACE

    @property
    def all_sinks(self) -> dict[str, SinkTable]:
        """Give every sink by name: those of the single settings, and those of the table."""
        return completed(self.sinks, defaults_of(self))

    @property
    def own_rules(self) -> tuple[OwnRule, ...]:
        """Give the operator's rules of classification, in their order."""
        return tuple(each.rule(number) for number, each in enumerate(self.classify, 1))

    @property
    def sources_by_key(self) -> dict[str, str]:
        """Give the source of each write key that an SDK of RudderStack may post with."""
        return read_keys(self.write_keys.get_secret_value()) if self.write_keys else {}

    @property
    def tokens_by_name(self) -> dict[str, str]:
        """Give the tokens of the API by the names that the audit knows them by."""
        single = {THE_TOKEN: self.api_token.get_secret_value()} if self.api_token else {}
        return single | (read_tokens(self.api_tokens.get_secret_value()) if self.api_tokens else {})

    @property
    def redrive_url(self) -> str:
        """Give the broker that failed tasks are published to."""
        return self.broker_url or self.bus_url


def load(**given: Any) -> Settings:
    """Read the settings; raises SettingsInvalid naming each variable that is wrong, never the value of a secret."""
    _refuse_unknown(os.environ)
    try:
        settings = Settings(**given)
    except ValidationError as error:
        raise SettingsInvalid("; ".join(_told(each) for each in error.errors(include_input=False))) from None
    except OSError as error:
        raise SettingsInvalid(f"expected a file that can be read, got: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsInvalid(f"{FILE_VARIABLE}: expected a TOML file, got: {error}") from None
    _keep_secret(settings)
    return settings


def load_rules() -> tuple[OwnRule, ...]:
    """Read the rules of classification alone, where no more of the settings is needed; raises SettingsInvalid."""
    path = os.environ.get(FILE_VARIABLE)
    try:
        given: object = os.environ.get(f"{PREFIX}CLASSIFY")
        if given is None:
            given = tomllib.loads(Path(path).read_text()).get("classify", []) if path else []
        rules = TypeAdapter(ClassifyRules).validate_python(given)
    except ValidationError as error:
        placed = [{**each, "loc": ("classify", *each["loc"])} for each in error.errors(include_input=False)]
        raise SettingsInvalid("; ".join(_told(each) for each in placed)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"{FILE_VARIABLE}: expected a file that can be read, got: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsInvalid(f"{FILE_VARIABLE}: expected a TOML file, got: {error}") from None
    return tuple(each.rule(number) for number, each in enumerate(rules, 1))


def _all_text(names: object) -> bool:
    return isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)


def _keep_secret(settings: Settings) -> None:
    """Have every log line, error and answer of this process told without these."""
    # Of the table of tokens the tokens alone: the names that stand beside them are no secret.
    values = [getattr(settings, name) for name in SECRETS if name != "api_tokens"]
    secrets = [value.get_secret_value() for value in values if value is not None]
    scrub.KNOWN.learn(*secrets, *(part for each in secrets for part in each.replace(",", " ").split()))
    scrub.KNOWN.learn(*settings.sources_by_key)
    scrub.KNOWN.learn(*settings.tokens_by_name.values())
    scrub.KNOWN.learn(*secrets_of(settings.dependencies))
    scrub.KNOWN.learn_url(*urls_of(settings.dependencies))
    scrub.KNOWN.learn(*sink_tables.secrets_of(settings.all_sinks))
    scrub.KNOWN.learn_url(*sink_tables.urls_of(settings.all_sinks))
    scrub.KNOWN.learn(*settings.alerts.secrets())
    scrub.KNOWN.learn_url(*secrets, *(value for value in dict(settings).values() if isinstance(value, str)))


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    """Refuse a variable that is nearly a setting: a typo would otherwise leave the default in force."""
    known = [PREFIX + name.upper() for name in Settings.model_fields]
    for variable in environ:
        if variable.startswith(PREFIX) and variable not in known and not variable.startswith(OTHERS):
            near = get_close_matches(variable, known, 1)
            advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}"
            raise SettingsInvalid(f"{variable}: expected the name of a setting, got an unknown one; {advice}")


def _told(error: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    if not error["loc"]:
        return str(error["msg"])
    first, *within = error["loc"]
    within = sink_tables.without_tag(within) if first == "sinks" else within
    within = alert_tables.without_tag(within) if first == "alerts" else within
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in within)
    name = f"{PREFIX}{str(first).upper()}{place}"
    if error["type"] == "missing":
        return f"{name}: expected a value, got none (docs/settings.md)"
    return f"{name}: {error['msg']}"
