"""What tables of the settings share: unknown keys are refused, and secrets may stand in files."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator

from eventbus import scrub

CREDENTIAL: Final = re.compile(f"{scrub.SECRET_NAME.pattern}|COOKIE", re.IGNORECASE)
HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# What a header's value may hold (RFC 9110, section 5.5), as far as every client sends it.
VALUE: Final = re.compile(r"[\x20-\x7e\t]*")


class Table(BaseModel):
    """A table of the settings: what it has no key for is refused by the name that was perhaps meant."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, given: Any) -> Any:  # noqa: ANN401 - whatever the settings hold
        if not isinstance(given, dict):
            raise ValueError(  # noqa: TRY004 - pydantic tells a ValueError with its place
                f"expected a table with keys of {', '.join(cls.model_fields)}, got {type(given).__name__}"
            )
        for key in given.keys() - cls.model_fields.keys():
            near = get_close_matches(str(key), cls.model_fields, 1)
            advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(cls.model_fields)}"
            raise ValueError(f"expected the name of a key, got {str(key)[:60]!r}; {advice}")
        return given


def alone(key: str) -> BeforeValidator:
    """Read a text that stands in the place of a table as the table's one needed key."""
    return BeforeValidator(lambda given: {key: given} if isinstance(given, str) else given)


class WithUrl(Table):
    """A table with a URL, which may stand in a file: it may hold a key."""

    url: SecretStr | None = None
    url_file: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_url(cls, given: Any) -> Any:  # noqa: ANN401 - whatever the settings hold
        if not isinstance(given, dict):
            return given
        if (given.get("url") is None) is (given.get("url_file") is None):
            raise ValueError("expected either url or url_file, got both or neither")
        return given if given.get("url_file") is None else given | {"url": read_file(given["url_file"])}

    @property
    def place(self) -> str:
        """Give the URL itself."""
        return self.url.get_secret_value() if self.url else ""


class WithHeaders(Table):
    """A table with headers of requests, which may stand in a file: they may hold keys."""

    headers: dict[str, SecretStr] = Field(default_factory=dict)
    headers_file: Path | None = None

    @field_validator("headers")
    @classmethod
    def _expect_headers(cls, headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, value in headers.items():
            if not sendable(name, value.get_secret_value()):
                raise ValueError(f"expected a header's name and a value of one line in ASCII, got others at {name!r}")
        return headers

    @model_validator(mode="before")
    @classmethod
    def _read_headers(cls, given: Any) -> Any:  # noqa: ANN401 - whatever the settings hold
        own = (given.get("headers") or {}) if isinstance(given, dict) else None
        if not isinstance(own, dict) or given.get("headers_file") is None:
            return given
        return given | {"headers": _headers(read_file(given["headers_file"])) | own}

    def credentials(self) -> list[str]:
        """Give the values of headers that are credentials, whole and without the word before them, as in Bearer KEY."""
        values = [each.get_secret_value() for name, each in self.headers.items() if CREDENTIAL.search(name)]
        return [*values, *(each.partition(" ")[2] for each in values)]


def sendable(name: str, value: str) -> bool:
    """Tell whether a request can carry this header."""
    return bool(HEADER.fullmatch(name) and VALUE.fullmatch(value))


def of_scheme(url: SecretStr | None, schemes: tuple[str, ...]) -> SecretStr | None:
    """Refuse a URL of another scheme, telling the scheme alone."""
    if url is None:
        return None
    scheme, found, rest = url.get_secret_value().partition("://")
    if not found or scheme not in schemes or not rest or any(each.isspace() for each in rest):
        got = f"{scheme}://" if found else "one without a scheme"
        raise ValueError(f"expected a URL that begins with {', '.join(f'{each}://' for each in schemes)}; got {got}")
    return url


def read_file(path: object) -> str:
    """Read a text that stands in a file; raises ValueError saying why it cannot be read."""
    try:
        return Path(str(path)).read_text().strip()
    except (OSError, ValueError) as error:
        raise ValueError(f"expected a file that can be read, got: {error}") from None


def _headers(text: str) -> dict[str, str]:
    """Read headers from a file, one `Name: value` a line."""
    pairs = [line.partition(":") for line in text.splitlines() if line.strip()]
    if not all(colon for _, colon, _ in pairs):
        raise ValueError("expected one `Name: value` a line in headers_file, got a line without a colon")
    return {name.strip(): value.strip() for name, _, value in pairs}
