"""What a model call costs."""

from __future__ import annotations

from decimal import Decimal
from importlib.metadata import version
from typing import Any

import pytest

from orchestrator.domain.events import Price, PricingStatus
from orchestrator.pricing import GenaiPricing
from tests.events import CALL, NOON

LIST = f"genai-prices {version('genai-prices')}"


def test_a_known_model_has_an_exact_price() -> None:
    """100 tokens in at 2.50 USD a million and 50 out at 10.00 cost exactly 0.00075, to ten places, by a named list."""
    price = GenaiPricing().price(CALL, NOON)
    assert price == Price(PricingStatus.PRICED, Decimal("0.0007500000"), LIST)
    assert str(price.usd) == "0.0007500000"


def test_the_model_that_answered_is_the_one_that_is_paid() -> None:
    """Where the provider names another model than was asked for, that one is priced."""
    answered = GenaiPricing().price(CALL | {"gen_ai.response.model": "gpt-4o-mini"}, NOON)
    assert answered == GenaiPricing().price(CALL | {"gen_ai.request.model": "gpt-4o-mini"}, NOON)
    assert answered != GenaiPricing().price(CALL, NOON)


@pytest.mark.parametrize(
    ("model", "parts", "usd"),
    [
        ("gpt-4o", {"cache_read.input_tokens": 100}, "0.0006250000"),
        ("gpt-4o", {"reasoning.output_tokens": 50}, "0.0007500000"),
        ("claude-sonnet-4-5", {"cache_creation.input_tokens": 100}, "0.0011250000"),
        ("claude-sonnet-4-5", dict.fromkeys(("cache_creation.input_tokens", "cache_creation_1h.input_tokens"), 100),
         "0.0013500000"),
    ],
)  # fmt: skip
def test_parts_of_a_call_have_prices_of_their_own(model: str, parts: dict[str, int], usd: str) -> None:
    """What was read from a cache costs less, what was written to one more; reasoning costs what output costs."""
    provider = "openai" if model.startswith("gpt") else "anthropic"
    data = CALL | {"gen_ai.provider.name": provider, "gen_ai.request.model": model}
    told = {f"gen_ai.usage.{name}": tokens for name, tokens in parts.items()}
    assert str(GenaiPricing().price(data | told, NOON).usd) == usd


@pytest.mark.parametrize(
    "change",
    [
        {"gen_ai.usage.cache_read.input_tokens": 101},
        {"gen_ai.request.model": "no-such-model"},
        {"gen_ai.provider.name": "no-such-provider"},
        {"gen_ai.provider.name": None, "gen_ai.request.model": None},
        {"gen_ai.usage.input_tokens": None},
        {"gen_ai.usage.output_tokens": -1},
        {"gen_ai.usage.output_tokens": "50"},
        {"gen_ai.request.model": 7},
        {"gen_ai.usage.input_tokens": 10**40},
        {"gen_ai.usage.input_tokens": True},
    ],
)
def test_what_is_not_known_has_no_price(change: dict[str, Any]) -> None:
    """An unknown model or provider, or unusable counts, are `missing` and None: never 0."""
    assert GenaiPricing().price(CALL | change, NOON) == Price(PricingStatus.MISSING, None, LIST)


def test_an_empty_event_has_no_price() -> None:
    """Data without any of the attributes is no error."""
    assert GenaiPricing().price({}, NOON).status is PricingStatus.MISSING


def test_no_tokens_cost_nothing() -> None:
    """A call of a known model that used no tokens costs 0, and that is a price."""
    free = GenaiPricing().price(CALL | {"gen_ai.usage.input_tokens": 0, "gen_ai.usage.output_tokens": 0}, NOON)
    assert (free.status, free.usd) == (PricingStatus.PRICED, Decimal("0E-10"))
