"""The proxy that stands between a program and what it talks to."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from loadtests.proxy import Proxy, Weather

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def echo() -> Iterator[int]:
    """Run a server that sends back what it gets; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    caller, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=_answer, args=(caller,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def _answer(caller: socket.socket) -> None:
    with caller, suppress(ConnectionResetError):
        while piece := caller.recv(100):
            caller.sendall(piece)


def connect(proxy: Proxy) -> socket.socket:
    """Connect to what is behind the proxy."""
    return socket.create_connection(("127.0.0.1", proxy.port), 5)


@pytest.mark.parametrize("weather", [Weather.CLEAR, Weather.SLOW])
def test_bytes_pass(weather: Weather) -> None:
    """In clear weather and in slow weather what is sent comes back."""
    with echo() as port, Proxy("127.0.0.1", port, weather, delay=0.01) as proxy, closing(connect(proxy)) as caller:
        caller.sendall(b"hello")
        assert caller.recv(100) == b"hello"


def test_a_black_hole_takes_and_gives_nothing() -> None:
    """It accepts, and no answer comes."""
    with echo() as port, Proxy("127.0.0.1", port, Weather.BLACK_HOLE) as proxy, closing(connect(proxy)) as caller:
        caller.sendall(b"hello")
        caller.settimeout(0.2)
        with pytest.raises(TimeoutError):
            caller.recv(100)


def test_down_refuses_and_ends_what_is_open_until_the_weather_clears() -> None:
    """Open connections end, new ones are refused; afterwards the same port serves again."""
    with echo() as port, Proxy("127.0.0.1", port) as proxy:
        with closing(connect(proxy)) as caller:
            caller.sendall(b"hello")
            assert caller.recv(100) == b"hello"
            proxy.turn(Weather.DOWN)
            assert caller.recv(100) == b""
        with pytest.raises(ConnectionRefusedError):
            connect(proxy)
        proxy.turn(Weather.CLEAR)
        with closing(connect(proxy)) as caller:
            caller.sendall(b"again")
            assert caller.recv(100) == b"again"


def test_latency_brings_all_of_it_in_its_order_later() -> None:
    """What was sent comes back whole, piece after piece, and none before the latency is over."""
    with echo() as port, Proxy("127.0.0.1", port) as proxy, closing(connect(proxy)) as caller:
        proxy.turn(Weather.LATENCY, 0.2)
        began = time.monotonic()
        for number in range(20):
            caller.sendall(b"%02d" % number)
        came = b""
        while len(came) < 40:
            came += caller.recv(100)
        assert came == b"".join(b"%02d" % number for number in range(20))
        assert time.monotonic() - began >= 0.4  # there and back


def test_bandwidth_lets_so_many_bytes_pass() -> None:
    """A thousand bytes at ten thousand a second take a tenth of a second at least, each way, and come whole."""
    with echo() as port, Proxy("127.0.0.1", port) as proxy, closing(connect(proxy)) as caller:
        proxy.turn(Weather.BANDWIDTH, 10_000)
        began = time.monotonic()
        caller.sendall(bytes(1_000))
        left = 1_000
        while left:
            left -= len(caller.recv(left))
        assert time.monotonic() - began >= 0.1


def test_a_cut_resets_what_is_open_and_what_comes_until_it_clears() -> None:
    """Both sides of an open connection, and new ones, are reset; afterwards the same port serves again."""
    with echo() as port, Proxy("127.0.0.1", port) as proxy:
        with closing(connect(proxy)) as caller:
            caller.sendall(b"hello")
            assert caller.recv(100) == b"hello"
            proxy.turn(Weather.CUT)
            with pytest.raises(ConnectionResetError):
                caller.recv(100)
        # The reset may come while the connection is still being made.
        with pytest.raises(ConnectionResetError), closing(connect(proxy)) as caller:
            caller.recv(100)
        proxy.turn(Weather.CLEAR)
        with closing(connect(proxy)) as caller:
            caller.sendall(b"again")
            assert caller.recv(100) == b"again"


def test_a_proxy_listens_where_it_is_told() -> None:
    """Whoever is told the port before finds it there."""
    with echo() as port, Proxy("127.0.0.1", port) as first:
        wanted = first.port
        first.turn(Weather.DOWN)
        with Proxy("127.0.0.1", port, listen=wanted) as proxy, closing(connect(proxy)) as caller:
            assert proxy.port == wanted
            caller.sendall(b"hello")
            assert caller.recv(100) == b"hello"
