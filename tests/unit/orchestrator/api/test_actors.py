"""Who asks: by the name of a token, in another's place, or nobody that is known; and what no name is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from orchestrator.api.actors import NameRefused, actor_of, read_tokens
from tests.unit.orchestrator.api.test_recovery_api import refused

if TYPE_CHECKING:
    from tests.unit.orchestrator.api.conftest import Served

TOKENS = {"token": "s3cret", "ann": "anns-own"}
MODE = "/api/v1/mode"


def entry(api: Served, token: str) -> dict[str, object]:
    """Give the newest entry of the audit."""
    found: dict[str, object] = api.ask(
        "GET", "/api/v1/audit?limit=1", headers={"Authorization": f"Bearer {token}"}
    ).json()["entries"][0]
    return found


@pytest.mark.parametrize(
    ("given", "behalf", "actor"),
    [
        ("Bearer s3cret", None, "token"),
        ("bearer anns-own", None, "ann"),
        ("Bearer anns-own", "bob", "bob via ann"),
        ("Bearer anns-own", " Zoë \u00c4 ", "Zoë Ä via ann"),
        ("Bearer anns-own", "Zoë".encode().decode("latin-1"), "Zoë via ann"),
        ("Bearer other", "bob", None),
        ("Basic s3cret", None, None),
        ("", None, None),
    ],
)
def test_a_token_names_who_asks(given: str, behalf: str | None, actor: str | None) -> None:
    """The token's name; for whom, where it says so; without a token that is known nobody may."""
    assert actor_of(given, TOKENS, behalf) == actor


def test_without_tokens_everybody_is_told_apart_from_whoever_has_one() -> None:
    """Nobody is asked who they are, and the audit says so, whatever name they give."""
    assert actor_of("", {}, None) == "unauthenticated on loopback"
    assert actor_of("Bearer x", {}, "ann") == "ann via unauthenticated on loopback"


@pytest.mark.parametrize("name", ["", "  ", "a\x1b[31m", "a\nb", "\u202eann", "x" * 101, "\u200b"])
def test_a_name_that_cannot_be_shown_is_refused(name: str) -> None:
    """Control characters, directions of text, nothing, too much: none of it gets into the audit."""
    with pytest.raises(NameRefused, match="expected a printable name"):
        actor_of("Bearer s3cret", TOKENS, name)


@pytest.mark.parametrize(
    "text", ['{"ann": "one", "bob": "two"}', 'ann = "one"\nbob = "two"\n', ' { "ann" : " one ", "bob" : "two" } ']
)
def test_a_table_is_read_from_json_and_toml(text: str) -> None:
    """Both give names and tokens."""
    assert read_tokens(text) == {"ann": "one", "bob": "two"}


@pytest.mark.parametrize(
    "table",
    [
        {"ann": ""},
        {"ann": 7},
        {"ann smith": "hunter2"},
        {"token": "hunter2"},
        {"redrive": "hunter2"},
        {"ann": "hunter2", "bob": "hunter2"},
        {"x" * 61: "hunter2"},
    ],
)
def test_a_table_that_cannot_tell_people_apart_is_refused(table: dict[str, object]) -> None:
    """Names that are none, that others have, tokens twice: refused, and no error tells a token."""
    with pytest.raises(ValueError, match="expected") as refusal:
        read_tokens(json.dumps(table))
    assert "hunter2" not in str(refusal.value)
    with pytest.raises(ValueError, match="JSON"):
        read_tokens("hunter2")


def test_the_audit_has_the_name(guarded: Served) -> None:
    """A command by a token, and by the pack in somebody's place, is entered under these names."""
    for token, behalf, actor in (("anns-own", None, "ann"), ("the-pack-s", "Bo", "Bo via stackstorm")):
        headers = {"Authorization": f"Bearer {token}"} | ({"Redrive-On-Behalf-Of": behalf} if behalf else {})
        for mode in ("paused", "act"):
            answer = guarded.ask("PUT", MODE, {"mode": mode, "reason": "so"}, headers=headers)
            assert answer.status_code == 200, answer.text
        assert entry(guarded, "s3cret")["actor"] == actor


def test_over_http_a_bad_name_or_token_changes_nothing(guarded: Served) -> None:
    """A wrong token is 401 whoever is named; a name that cannot be shown is 422; the mode stays."""
    wrong = {"Authorization": "Bearer no", "Redrive-On-Behalf-Of": "ann"}
    refused(guarded.ask("PUT", MODE, {"mode": "act"}, headers=wrong), 401, "unauthorized")
    unshown = {"Authorization": "Bearer s3cret", "Redrive-On-Behalf-Of": "a\u0085b".encode("latin-1").decode("latin-1")}
    refused(guarded.ask("PUT", MODE, {"mode": "act"}, headers=unshown), 422, "invalid-request")
    with guarded.scene.ledger.reading() as tx:
        assert tx.mode() is None
