"""The services fixtures keep their promise: a place of its own, and a reason when there is none."""

from __future__ import annotations

import kombu
import psycopg
import pytest
import redis
import sqlalchemy

from tests import services


def test_a_fresh_database_takes_a_table_from_both_clients(postgres: str) -> None:
    """The database is empty, and SQLAlchemy and psycopg both accept its URL."""
    with sqlalchemy.create_engine(postgres).begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE seen (id integer)"))
    with psycopg.connect(postgres) as raw:
        assert raw.execute("SELECT count(*) FROM seen").fetchone() == (0,)


def test_a_database_that_was_used_comes_back_empty(postgres: str) -> None:
    """Neither tables nor schemas of one use are seen in the next, though somebody is still connected."""
    with services.postgres_url() as used:
        assert used != postgres
        lingering = psycopg.connect(used)
        lingering.execute("CREATE SCHEMA other CREATE TABLE seen (id integer)")
        lingering.execute("CREATE TABLE seen (id integer)")
        lingering.commit()
        lingering.execute("SELECT * FROM seen")  # holds its lock
    with pytest.raises(psycopg.OperationalError):
        lingering.execute("SELECT 1")
    lingering.close()
    with services.postgres_url() as again, psycopg.connect(again) as fresh:
        assert again == used
        left = "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        assert fresh.execute(left).fetchone() == (0,)


def test_a_fresh_vhost_takes_a_queue(rabbitmq: str) -> None:
    """A queue can be declared in the virtual host, and it is empty."""
    with kombu.Connection(rabbitmq) as connection:
        queue = connection.SimpleQueue("seen")
        assert queue.qsize() == 0
        queue.close()


def test_a_redis_database_is_not_given_twice(redis_db: str) -> None:
    """Two tests at the same time get two databases."""
    with services.own_redis_database() as other:
        assert other != redis_db
        with redis.Redis.from_url(other) as client:
            assert client.ping()


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_a_missing_service_skips_on_a_laptop_and_fails_in_ci(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    """A Redis that does not answer skips with its reason, and fails where CI is set."""
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv(services.REDIS_VARIABLE, "redis://127.0.0.1:1")
    with pytest.raises(outcome, match=r"expected Redis at redis://127\.0\.0\.1:1"):
        services.redis_url()
