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
    reason = f"expected {service} at {url_of(variable)}, got: {why}; start it, or name another one in {variable}"
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


@contextmanager
def postgres_url() -> Iterator[str]:
    """Give the URL of a database of its own, empty, dropped afterwards; SQLAlchemy and psycopg both take it."""
    server, name = url_of(POSTGRES_VARIABLE), f"redrive_test_{uuid4().hex}"
    try:
        admin = psycopg.connect(server, autocommit=True, connect_timeout=CONNECT_SECONDS)
    except psycopg.OperationalError as error:
        raise missing("PostgreSQL", POSTGRES_VARIABLE, error) from error
    with admin:
        admin.execute(f'CREATE DATABASE "{name}"'.encode())
        try:
            yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        finally:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@contextmanager
def own_vhost() -> Iterator[str]:
    """Give the URL of a RabbitMQ virtual host of its own; an address from the environment is used as it stands."""
    url = rabbitmq_url()
    if os.environ.get(AMQP_VARIABLE):
        yield url
        return
    name = f"redrive-test-{uuid4().hex}"
    _rabbitmqctl("add_vhost", name)
    try:
        _rabbitmqctl("set_permissions", "-p", name, "guest", ".*", ".*", ".*")
        yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    finally:
        _rabbitmqctl("delete_vhost", name)


def _rabbitmqctl(*arguments: str) -> None:
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
