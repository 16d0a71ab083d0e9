"""Events that user code makes itself: what a model call cost, a prompt's sketch, a span of work, a policy's decision.

    from eventbus.telemetry import context, llm_call
    with context(organization_id="acme", agent_id="planner"):
        llm_call(provider="openai", model="gpt-4o", input_tokens=12, output_tokens=34)

What is wrong is refused where it is made, with TypeError or ValueError naming the field; a dead bus is no error. The
attribute names are OpenTelemetry's, all still 'development' (snapshot of 2026-11).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import eventbus.carrying  # noqa: F401 - listens to Celery's signals
from eventbus import fields, scope, wire
from eventbus.embedding import embedding_of
from eventbus.recording import configure, record
from eventbus.scope import Around
from eventbus.sketch import GRAM, sketch_of
from eventbus.spans import Span, timed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventbus.embedding import Embedder

__all__ = ["Span", "configure", "context", "governance", "llm_call", "similarity", "span"]

LONGEST_ERROR: Final = 16_384
LONGEST_PROMPT: Final = 1_000_000


def context(**identifiers: str | None) -> Around[None]:
    """Say once what the code within is about: its events, and the tasks that it sends, carry it.

    For `with`, and as a decorator of functions and coroutine functions. `identifiers` are any of agent_id,
    workflow_execution_id, node_id, organization_id, user_id and request_id; None takes one away.
    """
    fields.known(identifiers, _CONTEXT)
    values = {name: fields.optional_text(name, value) for name, value in identifiers.items()}
    return Around(lambda: scope.bound(values))


_CONTEXT: Final = tuple(name for name in wire.IDENTIFIERS if name != "task_id")


def llm_call(  # noqa: PLR0913 - each is an attribute of the event, by name only
    *,
    provider: str,
    model: str,
    input_tokens: int,
    output_tokens: int,
    operation: str = "chat",
    response_model: str | None = None,
    response_id: str | None = None,
    duration_seconds: float | None = None,
    error: str | None = None,
    **more: str | int | None,
) -> str:
    """Record what one call used, and give the id of its event; the orchestrator prices it.

    `more` are parts of input and output that have prices of their own (cache_read_tokens, output_reasoning_tokens, ...:
    the keys of wire.TOKEN_CLASSES) and identifiers; a part is counted in its whole as well.
    """
    fields.known(more, (*wire.IDENTIFIERS, *wire.TOKEN_CLASSES))
    whole = {
        "gen_ai.usage.input_tokens": fields.tokens("input_tokens", input_tokens),
        "gen_ai.usage.output_tokens": fields.tokens("output_tokens", output_tokens),
    }
    data = {
        "gen_ai.operation.name": fields.text("operation", operation),
        "gen_ai.provider.name": fields.text("provider", provider),
        "gen_ai.request.model": fields.text("model", model),
        "gen_ai.response.model": fields.optional_text("response_model", response_model),
        "gen_ai.response.id": fields.optional_text("response_id", response_id),
        **whole,
        **_parts(more, input_tokens, output_tokens),
        "duration_seconds": fields.seconds("duration_seconds", duration_seconds),
        "error": fields.optional_text("error", error, LONGEST_ERROR),
    }
    return record(wire.LLM_CALL, data, {name: more[name] for name in wire.IDENTIFIERS if name in more})


def _parts(given: Mapping[str, Any], input_tokens: int, output_tokens: int) -> dict[str, int]:
    """Check the token classes that were given; none can be more than the whole that it is a part of."""
    parts = {}
    for name, attribute in wire.TOKEN_CLASSES.items():
        if given.get(name) is not None:
            whole = input_tokens if attribute.endswith(".input_tokens") else output_tokens
            parts[attribute] = fields.tokens(name, given[name], whole)
    return parts


def similarity(
    prompt: str, *, blocked: bool = False, embedder: Embedder | None = None, **identifiers: str | None
) -> str:
    """Record a prompt's sketch, which near-duplicates share, and give the id of its event.

    The text stays here: what leaves is a keyed hash and 512 counts. `blocked` says that the caller refused the prompt.
    Only an `embedder` that is given is shown the text; the event then holds its vector too, or why there is none.
    """
    fields.known(identifiers, wire.IDENTIFIERS)
    if not isinstance(prompt, str):
        raise TypeError(f"expected `prompt` as text, got {type(prompt).__name__}")
    if len(prompt) > LONGEST_PROMPT:
        raise ValueError(f"expected `prompt` as text of at most {LONGEST_PROMPT} characters, got {len(prompt)}")
    blocked = fields.flag("blocked", blocked)
    made = sketch_of(prompt)
    counts = {"key": made.key_name, "gram": GRAM, "counts": made.counts}
    data: dict[str, Any] = {"prompt_hash": made.prompt_hash, "blocked": blocked, "sketch": counts}
    if embedder is not None:
        data["embedding"] = embedding_of(embedder, prompt)
    return record(wire.PROMPT_SIMILARITY, data, identifiers)


def governance(
    event_type: str,
    *,
    policy: str,
    action: str,
    details: Mapping[str, Any] | None = None,
    **identifiers: str | None,
) -> str:
    """Record what a policy decided (`action`: allowed, blocked, redacted, ...), and give the id of its event."""
    fields.known(identifiers, wire.IDENTIFIERS)
    data = {
        "event_type": fields.text("event_type", event_type),
        "policy": fields.text("policy", policy),
        "action": fields.text("action", action),
        "details": fields.json_object("details", {} if details is None else details),
    }
    return record(wire.GOVERNANCE_RECORDED, data, identifiers)


def span(name: str, **attributes: Any) -> Around[Span]:
    """Time the code within, for `with` and as a decorator; spans nest, also over Celery messages.

    The only event that may be dropped: where memory or disk run short it gives way to the others.
    """
    fields.text("name", name)
    fields.json_object("attributes", attributes)
    return Around(lambda: timed(name, Span(attributes)))
