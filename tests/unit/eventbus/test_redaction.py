"""Redaction: what a rule names is gone from body, headers and texts; everything else stays as it was."""

from __future__ import annotations

import pickle
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from hypothesis import given
from hypothesis import strategies as st
from kombu.serialization import dumps, loads, registry

from eventbus.declaration import DeclarationError, Declarations
from eventbus.departing import Departing
from eventbus.redaction import REDACTED, Found, Redaction, Unreadable, put_at, read_path, replace_at, texts_of, without
from eventbus.secrecy import Secrecy

EMPTY = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
NUMBER = 4929_0000_1111_2222
SERIALIZERS = ("json", "pickle", "yaml", "msgpack")


def an_app() -> Celery:
    """An application with a task that takes a secret by either way, and one that takes none."""
    app = Celery("shop", set_as_current=False)
    app.conf.accept_content = list(SERIALIZERS)

    @app.task(name="shop.pay", shared=False, redrive={"redact": ["kwargs.password", "kwargs.card.number"]})
    def pay(user: str, password: str = "", card: object = None) -> None:
        """Take what must not leave."""

    @app.task(name="shop.list", shared=False)
    def listed(*items: str) -> None:
        """Take what may leave."""

    del pay, listed
    return app


def departing_of(app: Celery, **given: Any) -> Departing:
    """Make what the worker of an app makes, without its environment."""
    secrecy = Secrecy(app, Declarations(given.pop("declarations", None)), given.pop("deny_headers", ()))
    return Departing.of_worker(
        Path("/nowhere/spool"),
        paths_of=secrecy.rules.of,
        redacting=secrecy.rules.any,
        accept=lambda: app.conf.accept_content,
        deny_headers=secrecy.deny_headers,
        environ={},
        **given,
    )


def message(payload: object, serializer: str = "json", **headers: Any) -> dict[str, Any]:
    """A message as an event carries it."""
    content_type, encoding, body = dumps(payload, serializer=serializer)
    raw = body.encode() if isinstance(body, str) else body
    return {
        "body": b64encode(raw).decode(), "content_type": content_type, "content_encoding": encoding,
        "headers": headers, "properties": {}, "exchange": "", "routing_key": "celery",
    }  # fmt: skip


def failed(of: dict[str, Any], text: str = "") -> dict[str, Any]:
    """The part of a failure's data that is looked at here."""
    facts = {"type": "builtins.ValueError", "message": text, "traceback": f"ValueError: {text}\n", "chain": []}
    return {"message": of, "exception": facts}


def payload_of(departed: dict[str, Any]) -> Any:  # noqa: ANN401 - what a serializer gives
    """Decode the body of a message as a worker does."""
    made = departed["message"]
    accept = {registry.name_to_type[name] for name in SERIALIZERS}
    return loads(b64decode(made["body"]), made["content_type"], made["content_encoding"], accept=accept)


@pytest.mark.parametrize("serializer", SERIALIZERS)
def test_what_is_named_is_gone_and_the_rest_is_as_it_was(serializer: str) -> None:
    """In the body, in its own serializer, in argsrepr and kwargsrepr, in the exception's message and traceback."""
    call = [["ann"], {"password": "hunter2hunter2", "card": {"number": NUMBER, "name": "Ann"}, "more": [1]}, EMPTY]
    given_ = message(call, serializer, argsrepr="('ann',)", kwargsrepr=repr(call[1]), mine="as it was")
    departed = departing_of(an_app()).of("shop.pay", failed(given_, f"hunter2hunter2 refused for {NUMBER}"))
    assert payload_of(departed) == [
        ["ann"], {"password": REDACTED, "card": {"number": REDACTED, "name": "Ann"}, "more": [1]}, EMPTY,
    ]  # fmt: skip
    assert departed["message"]["redacted"] == ["kwargs.password", "kwargs.card.number"]
    assert departed["message"]["headers"]["argsrepr"] == "('ann',)"
    assert departed["message"]["headers"]["mine"] == "as it was"
    assert departed["exception"]["message"] == f"{REDACTED} refused for {REDACTED}"
    everything = repr(departed) + b64decode(departed["message"]["body"]).decode(errors="replace")
    assert "hunter2" not in everything
    assert str(NUMBER) not in everything


def test_a_parameter_is_found_by_its_position_too() -> None:
    """A rule names `kwargs.password`; a call that passes it as the second argument is redacted all the same."""
    departed = departing_of(an_app()).of("shop.pay", failed(message([["ann", "hunter2hunter2"], {}, EMPTY])))
    assert payload_of(departed)[0] == ["ann", REDACTED]
    assert departed["message"]["redacted"] == ["args.1"]


def test_a_path_that_a_call_does_not_have_is_fine() -> None:
    """No password, a card that is None: nothing is redacted, and the body is the same bytes."""
    plain = message([["ann"], {"card": None}, EMPTY])
    departed = departing_of(an_app()).of("shop.pay", failed(plain))
    assert departed["message"] == plain


def test_what_cannot_be_looked_into_is_replaced_whole() -> None:
    """A card that is an object, or a text: it may hold the number, so that nothing of it leaves."""
    found = Found()
    assert replace_at({"card": "4929-0000"}, ("card", "number"), "kwargs", found) == {"card": REDACTED}
    assert replace_at({"card": object()}, ("card", "number"), "kwargs", found) == {"card": REDACTED}
    assert found.paths == ["kwargs.card", "kwargs.card"]


def test_links_are_looked_through_with_the_rules_of_their_own_tasks() -> None:
    """A chain's next link, an errback, the tasks of a group in a chord: each without what its own task's rules name."""
    link = {"task": "shop.pay", "args": ["ann", "hunter2hunter2"], "kwargs": {}, "options": {"task_id": "t-2"}}
    group = {"task": "celery.group", "args": [], "kwargs": {"tasks": [link]}, "options": {}}
    embed = EMPTY | {"chain": [link], "errbacks": [group]}
    departed = departing_of(an_app()).of("shop.list", failed(message([["ann"], {}, embed]), "hunter2hunter2"))
    assert "hunter2" not in repr(payload_of(departed)) + repr(departed["exception"])
    assert departed["message"]["redacted"] == [
        "embed.errbacks.0.kwargs.tasks.0.args.1", "embed.chain.0.args.1",
    ]  # fmt: skip
    assert payload_of(departed)[2]["chain"][0]["options"] == {"task_id": "t-2"}
    assert departed["message"]["resolvable"] is False


PAY: dict[str, Any] = {
    "task": "shop.pay", "args": ["ann", "hunter2hunter2"], "kwargs": {}, "options": {"headers": {"Cookie": "hunter2"}},
    "subtask_type": None, "immutable": False,
}  # fmt: skip


@pytest.mark.parametrize("serializer", SERIALIZERS)
@pytest.mark.parametrize(
    ("task", "args", "kwargs", "paths"),
    [
        ("celery.chord_unlock", ["g-1", PAY], {"interval": 1}, ["args.1.args.1", "args.1.options.headers.Cookie"]),
        ("shop.list", [], {"then": [PAY]}, ["kwargs.then.0.args.1", "kwargs.then.0.options.headers.Cookie"]),
        (
            "celery.starmap", [], {"task": PAY | {"args": [], "options": {}}, "it": [["ann", "hunter2hunter2"]]},
            ["kwargs.it"],
        ),
    ],
)  # fmt: skip
def test_signatures_among_the_arguments_are_looked_through(
    serializer: str, task: str, args: list[Any], kwargs: dict[str, Any], paths: list[str]
) -> None:
    """A chord's callback, any task that is given another one, a map's items: in body, journal, reprs and texts."""
    departing = departing_of(an_app(), resolvable=True)
    given_ = message([args, kwargs, EMPTY], serializer, argsrepr=repr(args), kwargsrepr=repr(kwargs))
    body = b64decode(given_["body"])
    assert departing.touches(task, {}, body)
    journalled = {"message": departing.message(task, given_)}
    told = departing.of(task, failed(journalled["message"], ""))
    for departed in (departing.of(task, failed(given_, "hunter2hunter2")), journalled, told):
        assert "hunter2" not in repr(departed) + repr(payload_of(departed))
        assert departed["message"]["redacted"] == paths
        assert departed["message"]["resolvable"] is False


def test_a_message_of_protocol_1_is_redacted_too() -> None:
    """Its body is a mapping with args and kwargs beside task and id."""
    body = {"task": "shop.pay", "id": "t-1", "args": ["ann"], "kwargs": {"password": "hunter2hunter2"}, "retries": 0}
    departed = departing_of(an_app()).of("shop.pay", failed(message(body)))
    assert payload_of(departed) == body | {"kwargs": {"password": REDACTED}}


@pytest.mark.parametrize(
    ("body", "content_type"), [(b"\x00\xff", "application/json"), (b"raw", "application/data"), (b"[]", "text/none")]
)
def test_a_body_that_cannot_be_read_does_not_leave(body: bytes, content_type: str) -> None:
    """With rules for the task it leaves as missing, and its exception's text too; without, it is carried as it is."""
    raw = message([], content_encoding="x") | {"body": b64encode(body).decode(), "content_type": content_type}
    departed = departing_of(an_app()).of("shop.pay", failed(raw, "hunter2hunter2"))
    assert departed["message"]["missing"] is True
    assert departed["message"]["body"] == ""
    assert departed["message"]["routing_key"] == "celery"
    assert "hunter2" not in repr(departed)
    assert departing_of(an_app()).of("shop.list", failed(raw))["message"] == raw


def test_a_body_that_the_worker_refuses_is_not_unpickled() -> None:
    """A content type that the worker does not accept is not decoded here either."""

    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (pytest.fail, ("expected the body to stay closed",))

    app = an_app()
    app.conf.accept_content = ["json"]
    raw = message([], "json") | {
        "body": b64encode(pickle.dumps(Bomb())).decode(), "content_type": "application/x-python-serialize",
    }  # fmt: skip
    assert departing_of(app).of("shop.pay", failed(raw))["message"]["missing"] is True


def test_denied_headers_are_replaced_whatever_their_case() -> None:
    """The usual ones and those that were named; beneath `headers` and in a link's options, too."""
    link = {"task": "shop.list", "args": [], "kwargs": {}, "options": {"headers": {"Cookie": "a=b"}}}
    headers = {"Authorization": "Bearer abc", "x-tenant-key": "k", "headers": {"cookie": "c"}, "mine": "stays"}
    given_ = message([[], {}, EMPTY | {"chain": [link]}], **headers)
    departed = departing_of(an_app(), deny_headers=["X-Tenant-Key"]).of("shop.list", failed(given_, "Bearer abc"))
    made = departed["message"]
    assert made["headers"] == {
        "Authorization": REDACTED, "x-tenant-key": REDACTED, "headers": {"cookie": REDACTED}, "mine": "stays",
    }  # fmt: skip
    assert payload_of(departed)[2]["chain"][0]["options"] == {"headers": {"Cookie": REDACTED}}
    assert made["redacted"] == [
        "headers.Authorization", "headers.x-tenant-key", "headers.headers.cookie",
        "embed.chain.0.options.headers.Cookie",
    ]  # fmt: skip
    assert departed["exception"]["message"] == REDACTED


@pytest.mark.parametrize("path", ["password", "kwargs", "args.first", "kwargs..x", "", 3, "headers.cookie"])
def test_a_path_that_is_none_is_refused_where_it_is_declared(path: object) -> None:
    """On a task and by pattern: DeclarationError says what was expected."""
    with pytest.raises(DeclarationError, match="redact"):
        Declarations({"shop.*": {"redact": [path]}})
    with pytest.raises(DeclarationError, match="redact"):
        Declarations().of("shop.pay", {"redact": [path]})


@pytest.mark.parametrize("path", ["kwargs.passwrd", "args.7"])
def test_a_path_that_no_call_can_have_is_refused_at_the_start(path: str) -> None:
    """A misspelt parameter, a position behind the last one: the worker does not start; `**options` takes any name."""
    app = Celery("shop", set_as_current=False)

    def pay(user: str, password: str) -> None:
        """Take two arguments."""

    app.task(pay, name="shop.pay", shared=False, redrive={"redact": [path]})
    with pytest.raises(DeclarationError, match="name one of its parameters"):
        Secrecy(app, Declarations()).rules.check()
    app = Celery("shop", set_as_current=False)

    def lenient(*args: str, **options: str) -> None:
        """Take any argument."""

    app.task(lenient, name="shop.pay", shared=False, redrive={"redact": [path]})
    Secrecy(app, Declarations()).rules.check()


def test_what_any_declaration_keeps_back_stays_back() -> None:
    """The rules of the task and of every pattern count together: none lets out what another one holds."""
    patterns = {"shop.*": {"redact": ["args.0"]}, "*": {"redact": ["kwargs.token"]}}
    declared = Declarations(patterns).of("shop.pay", {"redact": ["kwargs.password"]})
    assert set(declared.redact) == {"args.0", "kwargs.token", "kwargs.password"}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(before=VALUES, after=VALUES, secret=st.text(min_size=4, max_size=12), more=st.dictionaries(st.text(), VALUES))
def test_nothing_but_the_named_value_changes(before: object, after: object, secret: str, more: dict[str, Any]) -> None:
    """Whatever stands around it, put back what was taken and the payload is the one that was sent."""
    more.pop("password", None)
    payload = [[before, after], more | {"password": secret}, EMPTY]
    content_type, encoding, body = dumps(payload, serializer="json")
    redaction, found = Redaction(lambda _task: (read_path("kwargs.password"),), accept=lambda: ["json"]), Found()
    changed = loads(redaction.body("a", body.encode(), content_type, encoding, found), content_type, encoding)
    assert changed[1]["password"] == REDACTED
    whole = put_at({"args": changed[0], "kwargs": changed[1]}, ("kwargs", "password"), secret)
    assert [whole["args"], whole["kwargs"], changed[2]] == loads(body, content_type, encoding)


def test_a_body_that_does_not_encode_again_is_unreadable() -> None:
    """What was decoded and has no way back does not leave."""
    redaction = Redaction(lambda _task: (read_path("args.0"),), accept=lambda: ["json"])
    with pytest.raises(Unreadable):
        redaction.body("a", b'["only one"]', "application/json", "utf-8", Found())


def test_short_values_are_hidden_as_words() -> None:
    """A PIN of three digits goes where it stands alone, and not within another number."""
    assert without("pin 123 of 91234", texts_of([123])) == f"pin {REDACTED} of 91234"


def test_half_a_value_at_the_cut_of_a_long_text_is_hidden_too() -> None:
    """A long message is cut in its middle; what is left of a value on either side of the cut does not stay."""
    text = "before hunter2h\n... 4000 characters left out ...\nter2hunter2 after"
    hidden = without(text, {"hunter2hunter2"})
    assert hidden == f"before {REDACTED}\n... 4000 characters left out ...\n{REDACTED} after"
