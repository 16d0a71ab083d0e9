"""Declarations: both values for every task, and a typo is an error that names the right keys."""

from __future__ import annotations

from typing import Any

import pytest

from eventbus.declaration import DeclarationError, Declarations


def test_nothing_declared_means_no_dependency_and_not_idempotent() -> None:
    """A task that says nothing is never redriven by itself."""
    assert Declarations().of("shop.pay") == {"dependency": None, "idempotent": False}


def test_the_task_goes_before_a_pattern_and_an_earlier_pattern_before_a_later_one() -> None:
    """What is declared in several places is taken key by key from the nearest."""
    declarations = Declarations(
        {"shop.pay*": {"dependency": "bank"}, "shop.*": {"dependency": "db", "idempotent": True}}
    )
    assert declarations.of("shop.list") == {"dependency": "db", "idempotent": True}
    assert declarations.of("shop.pay") == {"dependency": "bank", "idempotent": True}
    assert declarations.of("shop.pay", {"idempotent": False}) == {"dependency": "bank", "idempotent": False}
    assert declarations.of("other") == {"dependency": None, "idempotent": False}


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"idempotnet": True}, "only the keys dependency, idempotent; got idempotnet"),
        ({"dependency": 7}, "`dependency` as a name or None, got 7"),
        ({"dependency": ""}, "`dependency` as a name"),
        ({"idempotent": "yes"}, "`idempotent` as True or False, got 'yes'"),
        (True, r"redrive=\{\.\.\.\}, got True"),
    ],
)
def test_a_wrong_declaration_is_refused_by_name(declared: Any, message: str) -> None:  # noqa: ANN401 - wrong on purpose
    """On a task or on a pattern, a wrong key or value is refused with its owner, what was expected and what came."""
    with pytest.raises(DeclarationError, match=f"task 'shop.pay': expected.*{message}"):
        Declarations().of("shop.pay", declared)
    with pytest.raises(DeclarationError, match=rf"declarations\['shop.\*'\]: expected.*{message}"):
        Declarations({"shop.*": declared})
