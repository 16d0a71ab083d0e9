"""Alembic's entry point: runs the warehouse's migrations on the connection that `Store` hands over."""

from orchestrator.stores import run_migrations

run_migrations()
