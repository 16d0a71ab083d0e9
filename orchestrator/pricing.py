"""What a model call costs, by the price list that ships with genai-prices: offline, never updated by itself."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

import genai_prices

from eventbus.wire import TOKEN_CLASSES
from orchestrator.domain.events import Price, PricingStatus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from typing import Any

# The scale of NUMERIC(18, 10): a ten-billionth of a US dollar.
SCALE: Final = Decimal("1e-10")
# More tokens than any call has, and few enough that no price outgrows NUMERIC(18, 10).
MOST_TOKENS: Final = 10**10
VERSION: Final = f"genai-prices {genai_prices.__version__}"


class GenaiPricing:
    """Prices by the snapshot in the installed package; what it does not know has no price, which is not one of 0."""

    def price(self, data: Mapping[str, Any], at: datetime) -> Price:
        """Price the data of one `redrive.llm.call.v1` event as of `at`, in USD."""
        try:
            usd = _usd(data, at)
        except (LookupError, ValueError):
            return Price(PricingStatus.MISSING, version=VERSION)
        return Price(PricingStatus.PRICED, usd.quantize(SCALE), VERSION)


def _usd(data: Mapping[str, Any], at: datetime) -> Decimal:
    """Look the price up; LookupError for an unknown model or provider, ValueError for unusable data."""
    usage = genai_prices.Usage(
        input_tokens=_tokens(data.get("gen_ai.usage.input_tokens")),
        output_tokens=_tokens(data.get("gen_ai.usage.output_tokens")),
        **{name: _tokens(data[key]) for name, key in TOKEN_CLASSES.items() if data.get(key) is not None},
    )
    model = _name(data.get("gen_ai.response.model") or data.get("gen_ai.request.model"))
    provider = _name(data.get("gen_ai.provider.name"))
    return genai_prices.calc_price(usage, model, provider_id=provider, genai_request_timestamp=at).total_price


def _tokens(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST_TOKENS:
        raise ValueError(f"expected a number of tokens up to {MOST_TOKENS}, got {value!r}")
    return value


def _name(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected a name, got {value!r}")  # noqa: TRY004 - unusable data, whatever its type
    return value
