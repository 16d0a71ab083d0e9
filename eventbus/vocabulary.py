"""The names on the wire: event types, headers, and the identifiers and token classes that events carry."""

from __future__ import annotations

from typing import Final

TASK_FAILED: Final = "redrive.task.failed.v1"
TASK_OUTCOMES: Final = "redrive.task.outcomes.v1"
ATTEMPT_ENDED: Final = "redrive.attempt.ended.v1"
LLM_CALL: Final = "redrive.llm.call.v1"
PROMPT_SIMILARITY: Final = "redrive.prompt.similarity.v1"
SPAN_ENDED: Final = "redrive.span.ended.v1"
GOVERNANCE_RECORDED: Final = "redrive.governance.recorded.v1"
INCIDENT_OPENED: Final = "redrive.incident.opened.v1"
INCIDENT_PLANNED: Final = "redrive.incident.planned.v1"
INCIDENT_CLOSED: Final = "redrive.incident.closed.v1"
ATTEMPT_RECORDED: Final = "redrive.attempt.recorded.v1"
RELEASE_ENDED: Final = "redrive.release.ended.v1"
DEPENDENCY_CHANGED: Final = "redrive.dependency.changed.v1"
CIRCUIT_CHANGED: Final = "redrive.circuit.changed.v1"
COMMAND_RECORDED: Final = "redrive.command.recorded.v1"
AUDIT_RECORDED: Final = "redrive.audit.recorded.v1"
ALERT_CHANGED: Final = "redrive.alert.changed.v1"
REDELIVERY_ENDED: Final = "redrive.redelivery.ended.v1"
WORKER_SEEN: Final = "redrive.worker.seen.v1"
LOADTEST_COMPLETED: Final = "redrive.loadtest.completed.v1"
# A message that an SDK of RudderStack sent to Redrive: its data is the message, whole.
RUDDERSTACK_MESSAGE: Final = "redrive.rudderstack.message.v1"

# Every type that Redrive itself makes; each has a committed JSON Schema of its data in schemas/<type>.json.
TYPES: Final = frozenset(
    {
        TASK_FAILED,
        TASK_OUTCOMES,
        ATTEMPT_ENDED,
        LLM_CALL,
        PROMPT_SIMILARITY,
        SPAN_ENDED,
        GOVERNANCE_RECORDED,
        INCIDENT_OPENED,
        INCIDENT_PLANNED,
        INCIDENT_CLOSED,
        ATTEMPT_RECORDED,
        RELEASE_ENDED,
        DEPENDENCY_CHANGED,
        CIRCUIT_CHANGED,
        COMMAND_RECORDED,
        AUDIT_RECORDED,
        ALERT_CHANGED,
        REDELIVERY_ENDED,
        WORKER_SEEN,
        LOADTEST_COMPLETED,
        RUDDERSTACK_MESSAGE,
    }
)

# Those that the orchestrator alone makes, out of its own ledger: from outside they would tell of what never happened.
OWN_TYPES: Final = frozenset(
    {
        INCIDENT_OPENED,
        INCIDENT_PLANNED,
        INCIDENT_CLOSED,
        ATTEMPT_RECORDED,
        RELEASE_ENDED,
        DEPENDENCY_CHANGED,
        CIRCUIT_CHANGED,
        COMMAND_RECORDED,
        AUDIT_RECORDED,
        ALERT_CHANGED,
    }
)

CONTENT_TYPE: Final = "application/cloudevents-batch+json"
ATTEMPT_HEADER: Final = "redrive-attempt"
# Names what the worker's resolver has to fill in, on a redriven message.
REDACTED_HEADER: Final = "redrive-redacted"
CONTEXT_HEADER: Final = "redrive-context"
SPEC_VERSION: Final = "1.0"

# Whom and what an event is about; each event of user code carries those that are known.
IDENTIFIERS: Final = (
    "agent_id",
    "workflow_execution_id",
    "node_id",
    "organization_id",
    "user_id",
    "request_id",
    "task_id",
)

# Tokens that are part of a call's input or output and have prices of their own: genai-prices' name, and the attribute.
# OpenTelemetry names cache_read, cache_creation and reasoning (development, 2026-11); the others follow its pattern.
TOKEN_CLASSES: Final = {
    "cache_read_tokens": "gen_ai.usage.cache_read.input_tokens",
    "cache_write_tokens": "gen_ai.usage.cache_creation.input_tokens",
    "cache_write_5m_tokens": "gen_ai.usage.cache_creation_5m.input_tokens",
    "cache_write_1h_tokens": "gen_ai.usage.cache_creation_1h.input_tokens",
    "cache_audio_read_tokens": "gen_ai.usage.cache_read_audio.input_tokens",
    "input_audio_tokens": "gen_ai.usage.audio.input_tokens",
    "input_image_tokens": "gen_ai.usage.image.input_tokens",
    "input_tool_tokens": "gen_ai.usage.tool.input_tokens",
    "output_audio_tokens": "gen_ai.usage.audio.output_tokens",
    "output_image_tokens": "gen_ai.usage.image.output_tokens",
    "output_reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
}
