"""The real services that tests talk to, each with a place of its own that is taken away afterwards.

A service that does not answer skips the test and says why; where `CI` is set it fails it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import kombu
import psycopg
import pytest
import redis
from tenacity import retry, retry_if_exception_type, stop_after_attempt

if TYPE_CHECKING:
    from collections.abc import Iterator

AMQP_VARIABLE = "REDRIVE_TEST_AMQP_URL"
POSTGRES_VARIABLE = "REDRIVE_TEST_POSTGRES_URL"
REDIS_VARIABLE = "REDRIVE_TEST_REDIS_URL"
DEFAULTS = {
    AMQP_VARIABLE: "amqp://guest:guest@127.0.0.1:5672//",
    POSTGRES_VARIABLE: "postgresql://postgres@127.0.0.1:5432/postgres",
    REDIS_VARIABLE: "redis://127.0.0.1:6379",
}
CONNECT_SECONDS = 3
REDIS_DATABASES = range(1, 16)
REDIS_MARK = "redrive-test-owner"


def missing(service: str, variable: str, why: object) -> pytest.fail.Exception | pytest.skip.Exception:
    """Say that a service does not answer: a failure where CI is set, a skip elsewhere."""
    return lacking(f"expected {service} at {url_of(variable)}, got: {why}; start it, or name another one in {variable}")


def lacking(reason: str) -> pytest.fail.Exception | pytest.skip.Exception:
    """Say that this machine lacks what a test needs: a failure where CI is set, a skip elsewhere."""
    return pytest.fail.Exception(reason) if os.environ.get("CI") else pytest.skip.Exception(reason)


def url_of(variable: str) -> str:
    """Give the address of a service: the environment's, else the one on loopback."""
    return os.environ.get(variable) or DEFAULTS[variable]


def rabbitmq_url() -> str:
    """Give the URL of a RabbitMQ that answers; its virtual host is shared with other tests (see `own_vhost`)."""
    url = url_of(AMQP_VARIABLE)
    try:
        with kombu.Connection(url, connect_timeout=CONNECT_SECONDS) as connection:
            connection.connect()
    except Exception as error:
        raise missing("RabbitMQ", AMQP_VARIABLE, error) from error
    return url


def redis_url() -> str:
    """Give the URL of a Redis that answers, without a database number (see `own_redis_database`)."""
    url = url_of(REDIS_VARIABLE)
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=CONNECT_SECONDS) as client:
            client.ping()
    except redis.RedisError as error:
        raise missing("Redis", REDIS_VARIABLE, error) from error
    return url


class Databases:
    """Databases of one PostgreSQL: making one takes it half a second, emptying one a hundredth of that."""

    def __init__(self) -> None:
        self._free: list[str] = []
        self._made: list[str] = []

    def take(self, server: psycopg.Connection) -> str:
        """Give the name of an empty database."""
        if self._free:
            return self._free.pop()
        name = f"redrive_test_{uuid4().hex}"
        server.execute(f'CREATE DATABASE "{name}"'.encode())
        self._made.append(name)
        return name

    def give_back(self, server: psycopg.Connection, name: str) -> None:
        """Empty a database, whoever is still connected to it, and keep it for the next test."""
        self._empty(server, name)
        self._free.append(name)

    # Whoever comes back between the two steps, or autovacuum, may hold a table that is to go.
    @retry(retry=retry_if_exception_type(psycopg.errors.DeadlockDetected), stop=stop_after_attempt(5), reraise=True)
    def _empty(self, server: psycopg.Connection, name: str) -> None:
        # A backend whose client was killed may be in the midst of a query: it is waited for.
        server.execute("SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity WHERE datname = %s", (name,))
        with psycopg.connect(database_url(name), autocommit=True) as inside:
            schemas = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
            for (schema,) in inside.execute(schemas).fetchall():
                inside.execute(f'DROP SCHEMA "{schema}" CASCADE'.encode())
            inside.execute("CREATE SCHEMA public")

    def drop(self) -> None:
        """Drop them all."""
        if not self._made:
            return
        with psycopg.connect(url_of(POSTGRES_VARIABLE), autocommit=True) as server:
            for name in self._made:
                server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())


_databases = Databases()


def clear_away() -> None:
    """Take away at the end of a session what its tests were given."""
    _databases.drop()


def database_url(name: str) -> str:
    """Give the address of one database of the server."""
    return urlunsplit(urlsplit(url_of(POSTGRES_VARIABLE))._replace(path=f"/{name}"))


@contextmanager
def postgres_url() -> Iterator[str]:
    """Give the URL of a database of its own, empty, emptied afterwards; SQLAlchemy and psycopg both take it."""
    try:
        admin = psycopg.connect(url_of(POSTGRES_VARIABLE), autocommit=True, connect_timeout=CONNECT_SECONDS)
    except psycopg.OperationalError as error:
        raise missing("PostgreSQL", POSTGRES_VARIABLE, error) from error
    with admin:
        name = _databases.take(admin)
        try:
            yield database_url(name)
        finally:
            _databases.give_back(admin, name)


@contextmanager
def own_vhost() -> Iterator[str]:
    """Give the URL of a RabbitMQ virtual host of its own; an address from the environment is used as it stands."""
    url = rabbitmq_url()
    if os.environ.get(AMQP_VARIABLE):
        yield url
        return
    name = f"redrive-test-{uuid4().hex}"
    rabbitmqctl("add_vhost", name)
    try:
        rabbitmqctl("set_permissions", "-p", name, "guest", ".*", ".*", ".*")
        yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    finally:
        rabbitmqctl("delete_vhost", name)


def rabbitmqctl(*arguments: str) -> None:
    """Run a command of RabbitMQ's own tool."""
    command = shutil.which("rabbitmqctl")
    if command is None:
        raise missing("RabbitMQ", AMQP_VARIABLE, "no rabbitmqctl on the PATH to make a virtual host with")
    done = subprocess.run([command, "-q", *arguments], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise missing("RabbitMQ", AMQP_VARIABLE, f"rabbitmqctl {arguments[0]}: {done.stderr.strip()}")


@contextmanager
def own_redis_database() -> Iterator[str]:
    """Give the URL of a Redis database that was empty and is emptied again; marked, so that no other test takes it."""
    server = redis_url()
    for number in REDIS_DATABASES:
        url = f"{server}/{number}"
        with redis.Redis.from_url(url) as client:
            if client.dbsize() == 0 and client.set(REDIS_MARK, os.getpid(), nx=True):
                try:
                    yield url
                finally:
                    client.flushdb()
                return
    raise missing("Redis", REDIS_VARIABLE, "databases 1 to 15 all hold keys; empty one")
