"""Loads a Celery application, as `celery -A` does."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout

from celery import Celery
from celery.app.utils import find_app

from eventbus.declaration import DeclarationError


class AppUnreadable(Exception):
    """An app that cannot be imported, or whose settings cannot be read: says what was expected and what came."""


def load(name: str) -> Celery:
    """Import an app with all its tasks; raises AppUnreadable, or DeclarationError where `install` refuses one.

    What the app prints goes to stderr, since stdout is for findings.
    """
    expected = f"expected an app as for `celery -A`, such as proj or proj.celery:app; got {name}"
    try:
        with redirect_stdout(sys.stderr):
            app = _found(name)
            app.loader.import_default_modules()
            app.finalize()
            app.conf.get("broker_url")
    except (Exception, SystemExit) as error:
        if wrong := _declared_wrongly(error):
            raise wrong from error
        # Celery looks for a module after it has not found an attribute: what it looked for first tells more.
        why = error.__context__ if isinstance(error.__context__, AttributeError) else error
        raise AppUnreadable(f"{expected}: {type(why).__name__}: {why}") from error
    return app


def _found(name: str) -> Celery:
    app = find_app(name)
    if not isinstance(app, Celery):
        raise TypeError(f"that is a {type(app).__name__}, not a Celery app")
    return app


def _declared_wrongly(error: BaseException) -> DeclarationError | None:
    """Find what `install` refused: Celery's import raises another error in its place."""
    current: BaseException | None = error
    while current is not None and not isinstance(current, DeclarationError):
        current = current.__cause__ or current.__context__
    return current
