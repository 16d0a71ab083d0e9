"""What every prober must do: tell passed from not, within its time-out, whatever the dependency does, and no secret."""

from __future__ import annotations

import gc
import socket
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from eventbus import scrub
from orchestrator.domain.probes import HttpProbe, ProbeResult, SqlProbe, TaskProbe, TcpProbe
from orchestrator.probes import probers as probers_module
from orchestrator.probes.memory import MemoryProber
from orchestrator.probes.probers import Probers
from tests.answering import answering, certificate, context, drips, floods, hangs, says

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Seconds. A probe that holds to its time-out ends far before the server's own patience of twenty.
TIMEOUT = 0.5
PATIENCE = 10.0


class NoTasks:
    """Stands where canaries are sent: nothing here sends any."""

    def probe(self, spec: TaskProbe) -> ProbeResult:
        """Refuse."""
        raise AssertionError(spec)


@pytest.fixture
def prober() -> Probers:
    """The prober on real dependencies."""
    return Probers(NoTasks())


def descriptors() -> int:
    """Count what this process has open."""
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    """No probe leaves a descriptor or a timer behind."""
    before = descriptors()
    yield
    until = time.monotonic() + PATIENCE
    while any(isinstance(each, threading.Timer) for each in threading.enumerate()) and time.monotonic() < until:
        time.sleep(0.01)
    assert not [each for each in threading.enumerate() if isinstance(each, threading.Timer)]
    assert descriptors() <= before


def http(port: int, scheme: str = "http", path: str = "/v1/models", **changes: Any) -> HttpProbe:
    """Make a probe of a server here."""
    return HttpProbe(**{"url": f"{scheme}://127.0.0.1:{port}{path}", "timeout": TIMEOUT, **changes})


def bounded(probe: Callable[[], ProbeResult]) -> ProbeResult:
    """Probe, and fail where that took as long as the server was willing to go on."""
    result = probe()
    assert result.seconds < PATIENCE
    return result


def test_an_answer_of_200_passes(prober: Probers) -> None:
    """A whole answer with an expected status passes, and says what it was and how long it took."""
    with answering(says("200 OK", b"{}")) as server:
        result = prober.probe(http(server.port, headers=(("Authorization", "Bearer s3cret-of-mine"),)))
    assert (result.passed, result.why, result.retry_after) == (True, "answered 200", None)
    assert 0 < result.seconds < PATIENCE
    assert b"Authorization: Bearer s3cret-of-mine" in server.requests[0]
    assert server.requests[0].startswith(b"GET /v1/models HTTP/1.1")


@pytest.mark.parametrize(
    ("status", "header", "expected"),
    [
        ("503 Service Unavailable", "X: y", ProbeResult(passed=False, why="answered 503")),
        ("429 Too Many Requests", "Retry-After: 90", ProbeResult(passed=False, why="answered 429", retry_after=90)),
        ("429 Too Many Requests", "Retry-After: soon", ProbeResult(passed=False, why="answered 429")),
        ("401 Unauthorized", "X: y", ProbeResult(passed=False, why="answered 401")),
    ],
    ids=["503", "429", "429-unreadable", "401"],
)
def test_another_status_does_not_pass(prober: Probers, status: str, header: str, expected: ProbeResult) -> None:
    """A status that is not expected does not pass; a Retry-After comes with it."""
    with answering(says(status, b"", header)) as server:
        result = prober.probe(http(server.port))
    assert (result.passed, result.why, result.retry_after) == (expected.passed, expected.why, expected.retry_after)


def test_the_expected_status_is_the_operators(prober: Probers) -> None:
    """With `expect`, these statuses pass and no other."""
    with answering(says("401 Unauthorized")) as server:
        assert prober.probe(http(server.port, expect=(401,))).passed
        assert not prober.probe(http(server.port, expect=(200,))).passed


def test_a_redirect_is_not_followed(prober: Probers) -> None:
    """A redirect does not pass and its target hears nothing: a key stays with the host that it is for."""
    with answering(says("200 OK")) as other:
        where = f"Location: http://127.0.0.1:{other.port}/"
        with answering(says("302 Found", b"", where)) as server:
            result = prober.probe(http(server.port))
    assert (result.passed, result.why) == (False, "answered 302, a redirect, which a probe does not follow")
    assert other.requests == []


@pytest.mark.parametrize(
    "behave",
    [
        hangs,
        drips(b"HTTP/1.1 200 OK\r\nX: "),
        drips(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"),
        drips(b"HTTP/1.1 200 OK\r\n\r\n"),
    ],
    ids=["hangs", "slow-headers", "slow-body", "slow-endless-body"],
)
def test_a_slow_answer_does_not_pass(prober: Probers, behave: Callable[[socket.socket, threading.Event], None]) -> None:
    """An answer that is not whole in time does not pass, however busily its bytes drip."""
    with answering(behave) as server:
        result = bounded(lambda: prober.probe(http(server.port)))
    assert (result.passed, result.why) == (False, "no whole answer within 0.5 s")


def test_a_huge_answer_is_not_read_to_its_end(prober: Probers) -> None:
    """A body without an end passes after its first bytes: it comes, and that is what was asked."""
    with answering(floods) as server:
        assert bounded(lambda: prober.probe(http(server.port, timeout=5.0))).passed


def test_nobody_there_does_not_pass(prober: Probers) -> None:
    """A refused connection, and a name that nobody knows, do not pass; the URL is not told."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    result = prober.probe(http(port, path="/?key=s3cret-of-mine"))
    assert (result.passed, result.why) == (False, "no answer: ConnectionError: Connection refused")
    result = prober.probe(HttpProbe("http://nobody.invalid/s3cret-of-mine", timeout=TIMEOUT))
    assert not result.passed
    assert "s3cret" not in result.why


def test_an_answer_that_is_no_http_does_not_pass(prober: Probers) -> None:
    """Bytes that are not HTTP do not pass, and break nothing."""
    with answering(lambda connection, _: connection.sendall(b"SSH-2.0-OpenSSH\r\n")) as server:
        result = prober.probe(http(server.port))
    assert (result.passed, result.why.split(":")[0]) == (False, "no answer")


def test_tls_is_verified(prober: Probers, tmp_path: Path) -> None:
    """A certificate that nobody we know has signed does not pass, unless the probe names it."""
    path = certificate(tmp_path)
    with answering(says("200 OK"), context(path)) as server:
        result = prober.probe(http(server.port, "https", timeout=5.0))
        assert not result.passed
        assert result.why.startswith("TLS: expected a certificate that is signed by an authority we know")
        assert server.requests == []
        assert prober.probe(http(server.port, "https", timeout=5.0, ca_file=str(path))).passed


def test_a_handshake_that_hangs_does_not_pass(prober: Probers) -> None:
    """A server that accepts and never begins TLS is cut at the time-out, too."""
    with answering(hangs) as server:
        assert not bounded(lambda: prober.probe(http(server.port, "https"))).passed


def test_the_environments_proxy_is_not_used(prober: Probers, monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe goes to its own URL: a proxy in the environment is not asked."""
    with answering(says("200 OK")) as server, answering(says("502 Bad Gateway")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        assert prober.probe(http(server.port)).passed
    assert proxy.requests == []


def test_an_open_port_passes(prober: Probers) -> None:
    """A connection that is accepted passes; one that is refused does not."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert prober.probe(TcpProbe("127.0.0.1", port, timeout=TIMEOUT)).passed
    result = prober.probe(TcpProbe("127.0.0.1", port, timeout=TIMEOUT))
    assert (result.passed, result.why) == (False, "no connection: Connection refused")
    assert not prober.probe(TcpProbe("nobody.invalid", port, timeout=TIMEOUT)).passed


def test_a_port_that_keeps_silent_does_not_pass(prober: Probers) -> None:
    """A host that answers no connection at all is given up at the time-out."""
    with closing(socket.socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        place = silent.getsockname()
        waiting = [socket.socket() for _ in range(3)]  # fill the queue of those who wait: the next one gets no answer
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(place)
        result = bounded(lambda: prober.probe(TcpProbe(*place, timeout=TIMEOUT)))
        for each in waiting:
            each.close()
    assert (result.passed, result.why) == (False, "no connection within 0.5 s")


@pytest.fixture
def sqlite_file(tmp_path: Path) -> Path:
    """A SQLite file with one table."""
    path = tmp_path / "its name has a blank.sqlite"
    with closing(sqlite3.connect(path)) as made:
        made.executescript("CREATE TABLE orders (id INTEGER); INSERT INTO orders VALUES (1)")
    return path


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


def test_a_statement_on_sqlite(prober: Probers, sqlite_file: Path) -> None:
    """A statement that gives a row or none passes; a wrong table does not, and says so; nothing is written."""
    url = f"sqlite:///{sqlite_file}"
    assert prober.probe(SqlProbe(url)).passed
    assert prober.probe(SqlProbe(url, "SELECT id FROM orders WHERE id = 2")).passed
    result = prober.probe(SqlProbe(url, "SELECT id FROM nowhere"))
    assert (result.passed, result.why) == (False, "OperationalError: no such table: nowhere")
    assert not prober.probe(SqlProbe(url, "DELETE FROM orders")).passed
    assert not bounded(lambda: prober.probe(SqlProbe(url, ENDLESS, timeout=TIMEOUT))).passed


def test_a_sqlite_file_is_not_made_by_asking(prober: Probers, tmp_path: Path) -> None:
    """A file that is not there does not pass, and is not there afterwards."""
    assert not prober.probe(SqlProbe(f"sqlite:///{tmp_path}/none.sqlite")).passed
    assert not (tmp_path / "none.sqlite").exists()


def connections(url: str) -> int:
    """Count the connections to a database, this one left out."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with psycopg.connect(url) as own:
        found = own.execute(query).fetchone()
        assert found is not None
        return int(found[0])


def test_a_statement_on_postgresql(prober: Probers, postgres: str) -> None:
    """A statement passes; a wrong table, one that writes and one that hangs do not; no connection stays."""
    with psycopg.connect(postgres) as own:
        own.execute("CREATE TABLE orders AS SELECT generate_series(1, 100000) AS id")
        own.execute("CREATE SEQUENCE numbers")
    assert prober.probe(SqlProbe(postgres)).passed
    assert prober.probe(SqlProbe(postgres, "SELECT id, '{}'::json FROM orders")).passed
    result = prober.probe(SqlProbe(postgres, "SELECT id FROM nowhere"))
    assert (result.passed, result.why) == (False, 'UndefinedTable: relation "nowhere" does not exist')
    assert not prober.probe(SqlProbe(postgres, "WITH gone AS (DELETE FROM orders RETURNING id) SELECT 1")).passed
    assert not prober.probe(SqlProbe(postgres, "SELECT nextval('numbers')")).passed
    assert not bounded(lambda: prober.probe(SqlProbe(postgres, "SELECT pg_sleep(60)", timeout=TIMEOUT))).passed
    until = time.monotonic() + PATIENCE
    while connections(postgres) and time.monotonic() < until:
        time.sleep(0.05)
    assert connections(postgres) == 0


def test_a_database_that_keeps_silent_does_not_pass(prober: Probers) -> None:
    """A server that accepts and says nothing is given up."""
    with answering(hangs) as server:
        url = f"postgresql://probe:s3cret-of-mine@127.0.0.1:{server.port}/x"
        result = bounded(lambda: prober.probe(SqlProbe(url, timeout=TIMEOUT)))
    assert not result.passed
    assert "s3cret" not in result.why


def test_a_fault_of_our_own_is_a_probe_that_did_not_pass(prober: Probers) -> None:
    """A prober never raises: whoever asks for several would lose the others."""
    result = prober.probe(TaskProbe("app.ping"))
    assert (result.passed, result.why) == (False, "the probe itself broke: AssertionError")


def test_no_secret_is_told(prober: Probers, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a dependency says of our key is hidden, and a long word of its is cut."""
    known = scrub.Scrubber()
    known.learn("s3cret-of-mine")
    monkeypatch.setattr(scrub, "KNOWN", known)
    monkeypatch.setattr(
        probers_module, "probe_tcp", lambda _: ProbeResult(passed=False, why="s3cret-of-mine was refused" + "!" * 999)
    )
    result = prober.probe(TcpProbe("127.0.0.1", 1))
    assert "s3cret" not in result.why
    assert len(result.why) == probers_module.LONGEST_WHY


def test_specs_show_no_secret() -> None:
    """Neither the URL nor a header of a probe stands in its repr."""
    told = repr((HttpProbe("http://a:s3cret@h", headers=(("X", "s3cret"),)), SqlProbe("postgresql://a:s3cret@h")))
    assert "s3cret" not in told


def test_the_fake_answers_as_it_was_told() -> None:
    """The prober for tests gives its answers in turn, then the one that stays."""
    failed = ProbeResult(passed=False, why="answered 503")
    fake = MemoryProber(answers=[failed])
    assert [fake.probe(TcpProbe("h", 1)).passed for _ in range(3)] == [False, True, True]
    assert len(fake.asked) == 3
