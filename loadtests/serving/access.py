"""Who may ask: whoever has the token, or without one only this machine, and no web page of another site."""

from __future__ import annotations

import hmac
import ipaddress
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

TOKEN: Final = "LOADTESTS_TOKEN"  # noqa: S105 - a name, no secret


class TokenMissing(RuntimeError):
    """The service shall listen beyond this machine, and anybody could start load there."""

    def __init__(self, host: str) -> None:
        super().__init__(f"expected {TOKEN} or {TOKEN}_FILE for an address beyond loopback, got none for {host}")


class Refused(RuntimeError):
    """A request that is not let in: `status` is its HTTP status."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def read_token(environ: Mapping[str, str], host: str) -> str:
    """Read the token, empty for none; raises TokenMissing where the address needs one."""
    file = environ.get(f"{TOKEN}_FILE")
    token = (Path(file).read_text() if file else environ.get(TOKEN, "")).strip()
    if not token and not is_loopback(host):
        raise TokenMissing(host)
    return token


def is_loopback(host: str) -> bool:
    """Tell whether an address is this machine's own."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def let_in(headers: Mapping[str, str], token: str) -> None:
    """Let a request in by its token, or, where none is set, by the machine that it names; raises Refused."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if token:
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.encode(), token.encode()):
            raise Refused(401, "expected the service's token as Authorization: Bearer, got none or another one")
        return
    for name in ("host", "origin"):
        said = headers.get(name)
        if said is not None and not is_loopback(_host(said if "://" in said else f"//{said}")):
            raise Refused(403, f"expected a request from this machine, as no token is set; got another {name}")


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def orchestrator(environ: Mapping[str, str] = os.environ) -> tuple[str, str | None]:
    """Give the URL of the orchestrator that reports are told to, empty for none, and its token."""
    file = environ.get("REDRIVE_API_TOKEN_FILE")
    token = Path(file).read_text().strip() if file else environ.get("REDRIVE_API_TOKEN")
    return environ.get("REDRIVE_API_URL", ""), token or None
