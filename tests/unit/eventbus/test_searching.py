"""Arguments for search: declared values leave, redacted and secret ones do not, and a fault keeps nothing else back."""

from __future__ import annotations

import pickle
from base64 import b64encode
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from celery import Celery
from cryptography.fernet import Fernet

from eventbus.declaration import DeclarationError, Declarations
from eventbus.departing import Departing
from eventbus.redaction import read_path
from eventbus.rules import Rules
from eventbus.searching import text_of

if TYPE_CHECKING:
    from pathlib import Path

DECLARED = {"search": ["customer", "size"], "positions": {"customer": 0, "size": 1}}


def told(
    tmp_path: Path,
    *args: Any,
    redact: tuple[str, ...] = (),
    headers: dict[str, Any] | None = None,
    environ: dict[str, str] | None = None,
    body: bytes | None = None,
    content_type: str = "application/json",
    **kwargs: Any,
) -> dict[str, Any]:
    """Give what leaves of a failure whose message has these arguments."""
    made = Departing.of_worker(
        tmp_path,
        environ=environ or {},
        paths_of=lambda _: [read_path(each) for each in redact],
        redacting=lambda: bool(redact),
        accept=lambda: ["json", "pickle"],
    )
    message = {
        "body": b64encode(orjson.dumps([args, kwargs, {}]) if body is None else body).decode(),
        "content_type": content_type, "content_encoding": "utf-8", "headers": headers or {}, "properties": {},
        "exchange": "", "routing_key": "celery", "queue": "celery",
    }  # fmt: skip
    facts = {"type": "builtins.ValueError", "message": "", "traceback": "", "chain": []}
    return made.of("shop.pay", {"message": message, "exception": facts, "declaration": DECLARED})


def test_declared_arguments_are_told_however_they_were_passed(tmp_path: Path) -> None:
    """By name or by position; others stay in the message."""
    assert told(tmp_path, "c-7", size=3, other="x")["arguments"] == {"customer": "c-7", "size": "3"}
    assert told(tmp_path, "c-7", 3)["arguments"] == {"customer": "c-7", "size": "3"}
    assert "arguments" not in told(tmp_path, other="x")


def test_nothing_is_added_where_nothing_is_known(tmp_path: Path) -> None:
    """Neither member is there without a declared argument and without an organisation."""
    assert told(tmp_path).keys() == {"message", "exception", "declaration"}


def test_the_organisation_comes_from_what_the_message_carries(tmp_path: Path) -> None:
    """Who published the task said whose work it is; what is no text is not taken."""
    assert told(tmp_path, headers={"redrive-context": {"organization_id": "acme"}})["organization_id"] == "acme"
    assert "organization_id" not in told(tmp_path, headers={"redrive-context": {"organization_id": 7}})


@pytest.mark.parametrize("redact", ["kwargs.customer", "args.0", "kwargs.*", "args.*"])
def test_what_is_redacted_is_never_told(tmp_path: Path, redact: str) -> None:
    """A rule on an argument goes before its declaration for search, whichever way a call passed it."""
    names = ("kwargs.customer", "args.0") if redact in ("kwargs.customer", "args.0") else ("kwargs.*", "args.*")
    for made in (told(tmp_path, "hunter2-word", redact=names), told(tmp_path, customer="hunter2-word", redact=names)):
        assert b"hunter2-word" not in orjson.dumps(made)
        assert "customer" not in made.get("arguments", {})


def test_a_value_in_which_a_redacted_one_stands_is_not_told(tmp_path: Path) -> None:
    """A secret that is passed a second time, in an argument that may be searched by, stays where it is."""
    made = told(tmp_path, "token hunter2-word", 5, password="hunter2-word", redact=("kwargs.password",))
    assert made["arguments"] == {"size": "5"}


@pytest.mark.parametrize("value", [None, ["a"], {"a": 1}, "x" * 256, "a\0b", "[redacted]"])
def test_what_cannot_be_compared_as_a_whole_is_not_told(tmp_path: Path, value: object) -> None:
    """Only scalars, of at most 255 characters; the size beside it is told all the same."""
    assert told(tmp_path, value, 5)["arguments"] == {"size": "5"}


@pytest.mark.parametrize(
    ("value", "text"),
    [("ü", "ü"), (True, "true"), (False, "false"), (7, "7"), (1.5, "1.5"), (date(2026, 1, 2), "2026-01-02"),
     (datetime(2026, 1, 2, 3, tzinfo=UTC), "2026-01-02T03:00:00+00:00"), ("a\ud800", "a?"), (object(), None)],
)  # fmt: skip
def test_a_scalar_is_told_as_json_has_it(value: object, text: str | None) -> None:
    """What a person types to find a value is what JSON would show of it."""
    assert text_of(value) == text


def test_a_pickled_call_is_read_too(tmp_path: Path) -> None:
    """The serializer is the application's own; a body that it cannot read is reported without arguments, and whole."""
    body = pickle.dumps((("c-7",), {"size": 3}, {}))
    made = told(tmp_path, body=body, content_type="application/x-python-serialize")
    assert made["arguments"] == {"customer": "c-7", "size": "3"}
    broken = told(tmp_path, body=b"\x80nonsense", content_type="application/x-python-serialize")
    assert "arguments" not in broken
    assert broken["message"]["body"] == b64encode(b"\x80nonsense").decode()


def test_a_sealed_message_has_its_declared_arguments_beside_it(tmp_path: Path) -> None:
    """What is declared for search leaves in plain; of the rest nothing does."""
    made = told(tmp_path, "c-7", other="hidden-word", environ={"REDRIVE_MESSAGE_KEYS": Fernet.generate_key().decode()})
    assert made["message"]["sealed"]
    assert made["arguments"] == {"customer": "c-7"}
    assert b"hidden-word" not in orjson.dumps(made)


def test_a_declaration_tells_where_its_arguments_stand() -> None:
    """Positions come from the signature, without `self`; a keyword-only parameter goes by name only."""
    app = Celery("shop", set_as_current=False)
    declared = {"search": ["customer"], "edit": {"size": {"type": "integer"}, "model": {"enum": ["s", "l"]}}}

    @app.task(bind=True, name="search.pay", shared=False, redrive=declared)
    def pay(self: object, customer: str, size: int = 1, *, model: str = "s") -> None:
        """Pay."""

    made = Declarations().of_task(app.tasks["search.pay"])
    assert made.positions == {"customer": 0, "size": 1, "model": None}
    assert made.as_data()["edit"] == {"size": {"type": "integer"}, "model": {"enum": ["s", "l"]}}
    assert pay is not None


@pytest.mark.parametrize("key", ["search", "edit"])
def test_a_name_that_no_call_can_have_is_refused_at_the_start(key: str) -> None:
    """A worker does not start with a task that declares an argument which it does not take."""
    app = Celery("shop", set_as_current=False)
    said = {"search": ["custmer"], "edit": {"custmer": {"type": "string"}}}

    @app.task(name="search.pay", shared=False, redrive={key: said[key]})
    def pay(customer: str) -> None:
        """Pay."""

    with pytest.raises(DeclarationError, match=rf"`{key}` to name one of its parameters \(customer\), got 'custmer'"):
        Rules(Declarations(), lambda: app.tasks).check()
    assert pay is not None


@pytest.mark.parametrize("sealed", [True, False])
def test_a_run_whose_worker_was_killed_has_its_arguments_too(tmp_path: Path, sealed: bool) -> None:
    """What the journal kept tells them, sealed or not: redacted before it was written down, opened when it is told."""
    environ = {"REDRIVE_MESSAGE_KEYS": Fernet.generate_key().decode()} if sealed else {}
    made = Departing.of_worker(
        tmp_path, environ=environ, paths_of=lambda _: [read_path("kwargs.size")], redacting=lambda: True
    )
    message = {
        "body": b64encode(orjson.dumps([["c-7"], {"size": "hunter2-word"}, {}])).decode(),
        "content_type": "application/json", "content_encoding": "utf-8",
        "headers": {"redrive-context": {"organization_id": "acme"}}, "properties": {}, "exchange": "",
        "routing_key": "celery", "queue": "celery",
    }  # fmt: skip
    facts = {"type": "celery.exceptions.WorkerLostError", "message": "", "traceback": "", "chain": []}
    kept = made.message("shop.pay", message)
    assert (kept.get("sealed") is not None) == sealed
    told = made.of("shop.pay", {"message": kept, "exception": facts, "declaration": DECLARED})
    assert (told["arguments"], told["organization_id"]) == ({"customer": "c-7"}, "acme")
    assert b"hunter2-word" not in orjson.dumps(told)


def test_a_declaration_tells_where_the_arguments_stand_that_its_routes_set() -> None:
    """Whoever reroutes a task puts them where it takes them."""
    app = Celery("shop", set_as_current=False)
    declared = {"route": ["large", {"queue": "small", "kwargs": {"model": "s"}}]}

    @app.task(name="search.ask", shared=False, redrive=declared)
    def ask(text: str, model: str = "l") -> None:
        """Ask."""

    assert Declarations().of_task(app.tasks["search.ask"]).positions == {"model": 1}
    assert ask is not None
