"""What a model call costs: by the operator's own prices, else by the list that ships with genai-prices, offline."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import genai_prices

from eventbus.wire import TOKEN_CLASSES
from orchestrator.domain.errors import SettingsInvalid
from orchestrator.domain.events import Price, PricingStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# The scale of NUMERIC(18, 10): a ten-billionth of a US dollar.
SCALE: Final = Decimal("1e-10")
# More tokens than any call has, and few enough that no price outgrows NUMERIC(18, 10).
MOST_TOKENS: Final = 10**10
# The first amount that NUMERIC(18, 10) cannot hold.
LIMIT_USD: Final = Decimal(10**8)
EVER: Final = datetime.min.replace(tzinfo=UTC)
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


@dataclass(frozen=True, slots=True)
class OwnPrice:
    """What a million tokens of a model cost, in USD, `since` a moment; parts without one cost what their whole does."""

    provider: str
    model: str
    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    reasoning: Decimal | None = None
    since: datetime = EVER

    def usd(self, data: Mapping[str, Any]) -> Decimal:
        """Price a call; ValueError for unusable data."""
        read, write = _part(data, "cache_read_tokens"), _part(data, "cache_write_tokens")
        thought = _part(data, "output_reasoning_tokens")
        given = _tokens(data.get("gen_ai.usage.input_tokens"))
        told = _tokens(data.get("gen_ai.usage.output_tokens"))
        if read + write > given or thought > told:
            raise ValueError("expected parts that are within their whole")
        with localcontext(prec=60):
            parts = ((read, self.cache_read, self.input), (write, self.cache_write, self.input))
            dear = sum(
                (n * (whole if own is None else own) for n, own, whole in parts), (given - read - write) * self.input
            )
            dear += (
                thought * (self.output if self.reasoning is None else self.reasoning) + (told - thought) * self.output
            )
            total = (dear / 10**6).quantize(SCALE)
        if total >= LIMIT_USD:
            raise ValueError(f"expected a cost below {LIMIT_USD} USD")
        return total


@dataclass(frozen=True, slots=True)
class Prices:
    """The operator's own prices first, by exact provider and model, the newest that held then; else the list's."""

    own: Sequence[OwnPrice] = ()
    version: str | None = None

    def price(self, data: Mapping[str, Any], at: datetime) -> Price:
        """Price the data of one `redrive.llm.call.v1` event as of `at`, in USD."""
        model = data.get("gen_ai.response.model") or data.get("gen_ai.request.model")
        named = (data.get("gen_ai.provider.name"), model)
        held = [each for each in self.own if (each.provider, each.model) == named and each.since <= at]
        if not held:
            return GenaiPricing().price(data, at)
        try:
            usd = max(held, key=lambda each: each.since).usd(data)
        except ValueError:
            return Price(PricingStatus.MISSING, version=self.version)
        return Price(PricingStatus.PRICED, usd, self.version)


def read_prices(path: Path | None) -> Prices:
    """Read a TOML file of own prices, if there is one; raises SettingsInvalid that names what is wrong in it."""
    if path is None:
        return Prices()
    try:
        body = path.read_bytes()
        given = tomllib.loads(body.decode(), parse_float=Decimal)
        prices = [_own(each) for each in _tables(given)]
    except (OSError, ValueError) as error:
        raise SettingsInvalid(f"REDRIVE_OWN_PRICES: {path}: {error}") from None
    return Prices(prices, f"own prices {sha256(body).hexdigest()[:12]}")


def _tables(given: dict[str, Any]) -> list[dict[str, Any]]:
    tables = given.get("price")
    if set(given) - {"price"} or not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        raise ValueError("expected tables [[price]] and nothing else")
    return tables


def _own(table: dict[str, Any]) -> OwnPrice:
    names = [field.name for field in fields(OwnPrice)]
    missing, unknown = set(names[:4]) - set(table), set(table) - set(names)
    if missing or unknown:
        raise ValueError(f"[[price]]: expected {', '.join(names)}, got {', '.join(sorted(table))}")
    texts: dict[str, Any] = {name: _name(table[name]) for name in ("provider", "model")}
    amounts: dict[str, Any] = {name: _amount(name, table[name]) for name in names[2:7] if name in table}
    since = table.get("since", EVER)
    if not isinstance(since, datetime) or since.tzinfo is None:
        raise ValueError(f"[[price]]: since: expected a time with an offset, got {since!r}")
    return OwnPrice(**texts, **amounts, since=since)


def _amount(name: str, value: object) -> Decimal:
    try:
        amount = Decimal(value) if isinstance(value, str | int | Decimal) and not isinstance(value, bool) else None
    except ArithmeticError:
        amount = None
    if amount is None or not amount.is_finite() or not 0 <= amount < LIMIT_USD:
        raise ValueError(f"[[price]]: {name}: expected USD per million tokens, got {value!r}")
    return amount


def _part(data: Mapping[str, Any], name: str) -> int:
    value = data.get(TOKEN_CLASSES[name])
    return 0 if value is None else _tokens(value)


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
