"""Text that came from elsewhere, made so that a terminal only shows it."""

from __future__ import annotations

from orchestrator.domain.showing import safe as safe  # noqa: PLC0414 - the verbs take it from here; logs are made safe by the same
