"""One table for each kind of sink: what every sink is told, and what its own kind is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import orjson
from pydantic import Field, FilePath, SecretStr, field_validator, model_validator

from orchestrator.dependency_settings.reading import Table, WithHeaders, of_scheme, read_file

DAY: Final = 86_400
Text = Annotated[str, Field(min_length=1, max_length=500)]
Seconds = Annotated[float, Field(gt=0, le=DAY, allow_inf_nan=False)]
Timeout = Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)]


class BatchTable(Table):
    """`batch`: how much goes at once: events, bytes of their bodies, and the seconds that the first of it may wait."""

    events: int | None = Field(None, ge=1, le=100_000)
    bytes: int | None = Field(None, ge=1, le=1_000_000_000)
    linger: float | None = Field(None, ge=0, le=3_600, allow_inf_nan=False)


class SinkTable(Table):
    """`[sinks.NAME]`: its kind, which events go there, and how much at once. None takes all that the kind can."""

    kind: Text
    types: Annotated[frozenset[Text], Field(min_length=1)] | None = None
    organizations: Annotated[frozenset[Text], Field(min_length=1)] | None = None
    sample: float = Field(1.0, ge=0, le=1, allow_inf_nan=False)
    batch: BatchTable = BatchTable()

    @property
    def place(self) -> str:
        """Give the URL, where the kind has one."""
        return ""

    def secrets(self) -> list[str]:
        """Give what must never be told."""
        return []


class WithPlace(SinkTable):
    """A sink at a URL, which may stand in a file. A sink of a default name may leave it to the single settings."""

    url: SecretStr | None = None
    url_file: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_url(cls, given: Any) -> Any:  # noqa: ANN401 - whatever the settings hold
        if not isinstance(given, dict) or given.get("url_file") is None:
            return given
        if given.get("url") is not None:
            raise ValueError("expected either url or url_file, got both")
        return given | {"url": read_file(given["url_file"])}

    @property
    def place(self) -> str:
        """Give the URL itself."""
        return self.url.get_secret_value() if self.url else ""

    def secrets(self) -> list[str]:
        """Give a URL that stood in a file, and what follows the question mark of one that did not."""
        return [self.place if self.url_file else urlsplit(self.place).query]


class WebTable(WithPlace, WithHeaders):
    """A sink that is posted to over HTTP. `ca_file` holds the certificates of who may have signed its own."""

    timeout: Timeout = 10
    ca_file: FilePath | None = None

    @field_validator("url")
    @classmethod
    def _expect_http(cls, url: SecretStr | None) -> SecretStr | None:
        return of_scheme(url, ("http", "https"))

    def secrets(self) -> list[str]:
        """Give the URL's, and the headers' that are credentials; all of those that stood in a file."""
        all_of_them = [each.get_secret_value() for each in self.headers.values()] if self.headers_file else []
        return [*super().secrets(), *self.credentials(), *all_of_them]


class WarehouseTable(WithPlace):
    """`kind = "warehouse"`: a database with Redrive's own tables."""

    kind: Literal["warehouse"]

    @field_validator("url")
    @classmethod
    def _expect_database(cls, url: SecretStr | None) -> SecretStr | None:
        return of_scheme(url, ("sqlite", "postgresql", "postgresql+psycopg"))


class RudderStackTable(WithPlace):
    """`kind = "rudderstack"`: one source of a data plane, by its write key."""

    kind: Literal["rudderstack"]
    write_key: SecretStr | None = None
    write_key_file: Path | None = None
    timeout: Timeout = 10

    @field_validator("url")
    @classmethod
    def _expect_http(cls, url: SecretStr | None) -> SecretStr | None:
        return of_scheme(url, ("http", "https"))

    @model_validator(mode="before")
    @classmethod
    def _read_key(cls, given: Any) -> Any:  # noqa: ANN401 - whatever the settings hold
        if not isinstance(given, dict) or given.get("write_key_file") is None:
            return given
        if given.get("write_key") is not None:
            raise ValueError("expected either write_key or write_key_file, got both")
        return given | {"write_key": read_file(given["write_key_file"])}

    @field_validator("write_key")
    @classmethod
    def _expect_key(cls, key: SecretStr | None) -> SecretStr | None:
        return expect_key(key)

    def secrets(self) -> list[str]:
        """Give the URL's, and the write key."""
        return [*super().secrets(), self.write_key.get_secret_value() if self.write_key else ""]


def expect_key(key: SecretStr | None) -> SecretStr | None:
    """Refuse a write key that no request can carry: it is the user name of basic authentication, in Latin-1."""
    if key is None:
        return None
    try:
        if not key.get_secret_value().encode("latin-1"):
            raise ValueError("expected a write key, got an empty one")
    except UnicodeEncodeError:
        raise ValueError("expected a write key of characters of Latin-1, got others") from None
    return key


class OtlpTable(WebTable):
    """`kind = "otlp"`: a collector of traces. Its URL is the collector's, or whole where it ends in /v1/traces."""

    kind: Literal["otlp"]


class CloudEventsTable(WebTable):
    """`kind = "cloudevents"`: whatever takes CloudEvents over HTTP, in batches or one by one."""

    kind: Literal["cloudevents"]
    mode: Literal["batch", "single"] = "batch"


class FileTable(SinkTable):
    """`kind = "file"`: a folder of JSON lines. `keep` is how many rotated files stay; 0 keeps all."""

    kind: Literal["file"]
    folder: Path
    rotate_bytes: int = Field(100_000_000, ge=1_000, le=1_000_000_000_000)
    rotate_seconds: Annotated[float, Field(gt=0, le=366 * DAY, allow_inf_nan=False)] = DAY
    keep: int = Field(0, ge=0, le=1_000_000)


class OwnTable(SinkTable):
    """`kind = "module:function"`: a sink of the user's own, made with `function(name, **options)`.

    `options_file` holds more options as a JSON object; its texts count as secrets.
    """

    kind: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
    options: dict[Text, Any] = Field(default_factory=dict)
    options_file: Path | None = None

    def given(self) -> dict[str, Any]:
        """Give all options, those of the file last."""
        return {**self.options, **(_object(self.options_file) if self.options_file else {})}

    @model_validator(mode="after")
    def _expect_options(self) -> OwnTable:
        if "name" in self.given():
            raise ValueError("expected options beside name, which is the table's own, got name")
        return self

    def secrets(self) -> list[str]:
        """Give the texts that stood in a file."""
        return _texts(_object(self.options_file)) if self.options_file else []


def _object(path: Path) -> dict[str, Any]:
    try:
        read = orjson.loads(read_file(path))
    except orjson.JSONDecodeError:
        raise ValueError("expected a JSON object in options_file, got no JSON") from None
    if not isinstance(read, dict):
        raise ValueError("expected a JSON object in options_file, got another thing")  # noqa: TRY004 - told with its place
    return read


def _texts(value: object) -> list[str]:
    if isinstance(value, dict | list):
        within = value.values() if isinstance(value, dict) else value
        return [text for each in within for text in _texts(each)]
    return [value] if isinstance(value, str) else []
