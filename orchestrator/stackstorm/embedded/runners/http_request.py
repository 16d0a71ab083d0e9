"""The runner http-request: one request, in the thread that calls; stopping the action closes its connection."""

from __future__ import annotations

import ast
import contextlib
import json
import socket
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from orchestrator.stackstorm.embedded.orquesta import statuses
from orchestrator.stackstorm.embedded.runners.ended import Ended

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.stackstorm.embedded.runners.handle import Handle

SUCCEEDED = range(200, 207)
DEFAULT_TIMEOUT = 60.0
AGENT = "st2/v3.9.0"
"""The name that a real StackStorm gives itself; the version is that of the client we speak to."""


def run(action: str, runner: Mapping[str, Any], own: Mapping[str, Any], handle: Handle) -> Ended:
    """Send the request and give its answer; blocks. Raises what `requests` does, and ValueError for a host refused."""
    _check_host(runner)
    connections = _Connections()
    handle.begin(connections.close)
    try:
        with requests.Session() as session:
            session.trust_env = True
            for scheme in ("http://", "https://"):
                session.mount(scheme, _Adapter(connections))
            with session.request(**_request(action, runner, own)) as answer:
                result = _result(answer)
    except requests.Timeout as error:
        return Ended(statuses.TIMEOUT, {"error": str(error)})
    except Exception:
        if handle.stopped:
            return Ended(statuses.CANCELED, {})
        raise
    good = result["status_code"] in SUCCEEDED
    return Ended(statuses.SUCCEEDED if good else statuses.FAILED, result)


def _request(action: str, runner: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Give the arguments of requests.request()."""
    headers = {**(runner.get("headers") or {}), "User-Agent": AGENT, "X-Stanley-Action": action}
    files, body = _files(own), own.get("body")
    lower = {name.lower(): value for name, value in headers.items()}
    data = (
        json.dumps(_structure(body), separators=(",", ":"), ensure_ascii=False)
        if lower.get("content-type") == "application/json"
        else body
    )
    if isinstance(data, str):
        data = data.encode()
    proxies = {scheme: runner[f"{scheme}_proxy"] for scheme in ("http", "https") if runner.get(f"{scheme}_proxy")}
    return {
        "method": own.get("method") or ("POST" if files or body else "GET"),
        "url": runner["url"],
        "params": own.get("params"),
        "data": data,
        "headers": headers,
        "cookies": runner.get("cookies"),
        "auth": _auth(runner, own),
        "timeout": float(DEFAULT_TIMEOUT if own.get("timeout") is None else own["timeout"]),
        "allow_redirects": runner.get("allow_redirects", False),
        "proxies": proxies,
        "files": files,
        "verify": runner.get("verify_ssl_cert", True),
    }


def _auth(runner: Mapping[str, Any], own: Mapping[str, Any]) -> Any:
    if runner.get("username") or runner.get("password"):
        return HTTPBasicAuth(runner.get("username") or "", runner.get("password") or "")
    return own.get("auth")


def _files(own: Mapping[str, Any]) -> dict[str, Any] | None:
    name, content, kind = (own.get(f"file_{part}") for part in ("name", "content", "content_type"))
    if not (name and content):
        return None
    return {str(name): (content, kind) if kind else content}


def _structure(body: Any) -> Any:
    if not isinstance(body, str):
        return body
    try:
        return json.loads(body)
    except ValueError:
        return ast.literal_eval(body)


def _result(answer: requests.Response) -> dict[str, Any]:
    body: Any = answer.text or ""
    parsed = False
    if answer.headers.get("content-type", "").split(";")[0] == "application/json":
        with contextlib.suppress(ValueError):
            body, parsed = json.loads(body), True
    return {"status_code": answer.status_code, "body": body, "parsed": parsed, "headers": dict(answer.headers)}


def _check_host(runner: Mapping[str, Any]) -> None:
    refused, allowed = runner.get("url_hosts_blacklist") or [], runner.get("url_hosts_whitelist") or []
    url = runner["url"]
    if refused and allowed:
        raise ValueError(
            '"url_hosts_blacklist" and "url_hosts_whitelist" parameters are mutually exclusive. '
            "Only one should be provided."
        )
    host = _host(url)
    if host in refused:
        raise ValueError(f'URL "{url}" is blacklisted')
    if allowed and host not in allowed:
        raise ValueError(f'URL "{url}" is not whitelisted')


def _host(url: str) -> str:
    split = urlsplit(url)
    host = split.netloc.replace("[", "").replace("]", "")
    return host if split.port is None else host.replace(f":{split.port}", "")


class _Connections:
    """The connections of one action; once closed, a new one closes at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._closed = False

    def add(self, opened: socket.socket) -> None:
        with self._lock:
            self._open.append(opened)
            closed = self._closed
        if closed:
            self.close()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            opened, self._open = self._open, []
        for one in opened:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


class _Adapter(HTTPAdapter):
    """Tells `connections` of each connection that it opens."""

    def __init__(self, connections: _Connections) -> None:
        self._connections = connections
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _pool(HTTPConnectionPool, HTTPConnection, self._connections),
            "https": _pool(HTTPSConnectionPool, HTTPSConnection, self._connections),
        }


def _pool(pool: Any, connection: Any, connections: _Connections) -> Any:
    def connect(self: Any) -> None:
        connection.connect(self)
        connections.add(self.sock)

    told = type(connection.__name__, (connection,), {"connect": connect})
    return type(pool.__name__, (pool,), {"ConnectionCls": told})
