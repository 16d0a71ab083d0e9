"""The HTTP probe: one request on a connection of its own, its whole answer within the time-out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, ReadTimeoutError

from orchestrator.domain.backoff import asked_seconds
from orchestrator.domain.probes import ProbeResult
from orchestrator.probes.cutting import cut_after

if TYPE_CHECKING:
    from orchestrator.domain.probes import HttpProbe
    from orchestrator.probes.cutting import Cut

AGENT: Final = "redrive-probe"
# Bytes of an answer's body that are waited for: enough to see that it comes, and no more to pay for.
LONGEST_BODY: Final = 65_536
REDIRECTS: Final = range(300, 400)


def probe_http(spec: HttpProbe) -> ProbeResult:
    """Ask over HTTP. Certificates are verified, redirects not followed, the environment's proxies and keys not used."""
    late = ProbeResult(passed=False, why=f"no whole answer within {spec.timeout:g} s")
    with cut_after(spec.timeout) as cut, requests.Session() as session:
        session.trust_env = False
        for scheme in ("http://", "https://"):
            session.mount(scheme, _Adapter(cut))
        try:
            result = _ask(session, spec)
        except (requests.Timeout, TimeoutError, ReadTimeoutError):
            return late
        except (requests.RequestException, HTTPError, OSError) as error:
            result = ProbeResult(passed=False, why=_told(error))
    return late if cut.done else result


def _ask(session: requests.Session, spec: HttpProbe) -> ProbeResult:
    headers = {"User-Agent": AGENT, "Connection": "close", **dict(spec.headers)}
    with session.request(
        spec.method,
        spec.url,
        headers=headers,
        timeout=spec.timeout,
        verify=spec.ca_file or True,
        allow_redirects=False,  # what holds a key goes to no other host
        stream=True,
    ) as answer:
        answer.raw.read(LONGEST_BODY, decode_content=False)
        return _judge(spec, answer)


def _judge(spec: HttpProbe, answer: requests.Response) -> ProbeResult:
    passed = spec.expects(answer.status_code)
    moved = answer.status_code in REDIRECTS and not passed
    why = f"answered {answer.status_code}" + (", a redirect, which a probe does not follow" if moved else "")
    asked = None if passed else asked_seconds(answer.headers.get("Retry-After"), datetime.now(UTC))
    return ProbeResult(passed, why, retry_after=asked)


def _told(error: Exception) -> str:
    """Say what went wrong without the URL, which may hold a key."""
    if isinstance(error, requests.exceptions.SSLError):
        return f"TLS: expected a certificate that is signed by an authority we know, got: {_innermost(error)}"
    return f"no answer: {type(error).__name__}: {_innermost(error)}"


def _innermost(error: BaseException) -> str:
    """Name the cause beneath requests' and urllib3's own errors: those tell the URL, this one tells what happened."""
    reason: object = error
    while isinstance(reason, BaseException):
        beneath = getattr(reason, "reason", None) or (reason.args[0] if reason.args else None)
        beneath = beneath if isinstance(beneath, BaseException) else reason.__cause__
        if beneath is None:
            break
        reason = beneath
    if isinstance(reason, OSError):
        return reason.strerror or type(reason).__name__
    return type(reason).__name__


class _Adapter(HTTPAdapter):
    """Has each connection that it opens cut at the deadline."""

    def __init__(self, cut: Cut) -> None:
        self._cut = cut
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Give the pools connections that tell of their sockets."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _pool(HTTPConnectionPool, HTTPConnection, self._cut),
            "https": _pool(HTTPSConnectionPool, HTTPSConnection, self._cut),
        }


def _pool(pool: Any, connection: Any, cut: Cut) -> Any:  # noqa: ANN401 - classes of urllib3, made at run time
    def new(self: Any) -> Any:  # noqa: ANN401 - as above
        # Before the handshake of TLS, which may hang as well.
        opened = connection._new_conn(self)  # noqa: SLF001 - urllib3 has no other place between the two
        cut.add_socket(opened.fileno())
        return opened

    told = type(connection.__name__, (connection,), {"_new_conn": new})
    return type(pool.__name__, (pool,), {"ConnectionCls": told})
