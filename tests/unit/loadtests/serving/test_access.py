"""Who may have load started on a machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loadtests.serving.access import Refused, TokenMissing, let_in, orchestrator, read_token

if TYPE_CHECKING:
    from pathlib import Path


def test_beyond_loopback_a_token_is_needed(tmp_path: Path) -> None:
    """Of the environment or of a file; on loopback none is."""
    assert read_token({}, "127.0.0.1") == ""
    with pytest.raises(TokenMissing, match=r"LOADTESTS_TOKEN.*0\.0\.0\.0"):
        read_token({}, "0.0.0.0")  # noqa: S104 - it is refused
    (tmp_path / "token").write_text("t0p\n")
    assert read_token({"LOADTESTS_TOKEN_FILE": str(tmp_path / "token")}, "0.0.0.0") == "t0p"  # noqa: S104 - as above


@pytest.mark.parametrize("given", ["", "Bearer other", "Basic t0p", "t0p"])
def test_with_a_token_nobody_comes_in_without_it(given: str) -> None:
    """Not from this machine either."""
    with pytest.raises(Refused) as caught:
        let_in({"authorization": given, "host": "127.0.0.1:8420"}, "t0p")
    assert caught.value.status == 401
    let_in({"authorization": "bearer t0p", "host": "load.example"}, "t0p")


@pytest.mark.parametrize(
    "headers", [{"host": "evil.example"}, {"host": "127.0.0.1:8420", "origin": "https://evil.example"}]
)
def test_without_a_token_no_page_of_another_site_comes_in(headers: dict[str, str]) -> None:
    """Neither one whose name resolves to this machine nor one that a browser lets post here."""
    with pytest.raises(Refused) as caught:
        let_in(headers, "")
    assert caught.value.status == 403
    let_in({"host": "localhost:8420", "origin": "http://127.0.0.1:8420"}, "")


def test_the_orchestrator_s_address_and_token_are_those_of_the_other_commands(tmp_path: Path) -> None:
    """REDRIVE_API_URL, and the token or its file."""
    (tmp_path / "token").write_text("secret\n")
    found = orchestrator({"REDRIVE_API_URL": "http://o", "REDRIVE_API_TOKEN_FILE": str(tmp_path / "token")})
    assert found == ("http://o", "secret")
    assert orchestrator({}) == ("", None)
