"""Fixtures that every test may use: one place of its own on each real service."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.services import clear_away, own_redis_database, own_vhost, postgres_url

if TYPE_CHECKING:
    from collections.abc import Iterator


if "CI" not in os.environ:  # where it is set, Hypothesis does so by itself, and throws the same dice each time
    settings.register_profile("unhurried", deadline=None)
    settings.load_profile("unhurried")


def pytest_sessionfinish() -> None:
    """Leave nothing behind on the services."""
    clear_away()


@pytest.fixture
def postgres() -> Iterator[str]:
    """The URL of an empty PostgreSQL database, `postgresql://...`, emptied afterwards."""
    with postgres_url() as url:
        yield url


@pytest.fixture
def rabbitmq() -> Iterator[str]:
    """The URL of a fresh RabbitMQ virtual host, `amqp://...`, deleted afterwards."""
    with own_vhost() as url:
        yield url


@pytest.fixture
def redis_db() -> Iterator[str]:
    """The URL of an empty Redis database, `redis://...`, emptied afterwards."""
    with own_redis_database() as url:
        yield url
