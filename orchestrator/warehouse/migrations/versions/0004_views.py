"""Views over the logs: what agents did, what they, workflows, days and attempts cost. NULL where nothing is known."""

from __future__ import annotations

from typing import Final

from alembic import op

revision = "0004"
down_revision = "0003"

# SQLite adds up whole numbers of ten-billionths of a dollar, and writes them with their point again: exact, as NUMERIC.
_UNITS: Final = "sum(CAST(replace(usd_cost, '.', '') AS INTEGER))"
WORDS: Final = {
    "sqlite": {
        "usd": f"CASE WHEN {_UNITS} IS NULL THEN NULL ELSE CASE WHEN {_UNITS} < 0 THEN '-' ELSE '' END || "
        f"printf('%d.%010d', abs({_UNITS}) / 10000000000, abs({_UNITS}) % 10000000000) END",
        "day": "strftime('%Y-%m-%d', created_at)",
        "blocked": "sum(blocked)",
    },
    "postgresql": {
        "usd": "sum(usd_cost)",
        "day": "to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
        "blocked": "CAST(sum(CAST(blocked AS INTEGER)) AS BIGINT)",
    },
}
_COSTS: Final = (
    "count(*) AS calls, sum(tokens_input) AS tokens_input, sum(tokens_output) AS tokens_output, {usd} AS usd_cost, "
    "count(*) - count(usd_cost) AS unpriced FROM model_cost_logs GROUP BY"
)
# What each log tells of an agent: a column's name, its type, and how it is counted.
_OF_AGENTS: Final[dict[str, dict[str, tuple[str | None, str]]]] = {
    "agent_costs": {
        "calls": ("NUMERIC", "sum(calls)"),
        "tokens_input": ("NUMERIC", "sum(tokens_input)"),
        "tokens_output": ("NUMERIC", "sum(tokens_output)"),
        "usd_cost": (None, "max(usd_cost)"),
        "unpriced": ("NUMERIC", "sum(unpriced)"),
    },
    "prompt_sim_logs": {
        "prompts": ("BIGINT", "count(*)"),
        "prompts_blocked": ("BIGINT", "{blocked}"),
        "greatest_similarity": ("DOUBLE PRECISION", "max(similarity_score)"),
    },
    "governance_events": {"decisions": ("BIGINT", "count(*)")},
    "code_exec_logs": {
        "attempts": ("BIGINT", "count(*)"),
        "attempts_failed": ("BIGINT", "sum(CASE WHEN outcome = 'failed' THEN 1 ELSE 0 END)"),
    },
}


def upgrade() -> None:
    for name, query in views(WORDS[op.get_bind().dialect.name]).items():
        op.execute(f"CREATE VIEW {name} AS {query}")


def views(words: dict[str, str]) -> dict[str, str]:
    """Write the views in a database's own words; later ones read the first."""
    costs = _COSTS.format(**words)
    return {
        "agent_costs": f"SELECT organization_id, agent_id, {costs} organization_id, agent_id",
        "workflow_costs": (
            f"SELECT organization_id, workflow_execution_id, {costs} organization_id, workflow_execution_id"
        ),
        "daily_costs": f"SELECT {words['day']} AS day, organization_id, {costs} {words['day']}, organization_id",
        "agent_telemetry": _agents(words),
        "code_exec_telemetry": _attempts(words["usd"]),
    }


def _agents(words: dict[str, str]) -> str:
    # Each log's counts stand in columns of their own, NULL in the others' rows: no join has to match NULL with NULL.
    names = {name: (kind, log) for log, columns in _OF_AGENTS.items() for name, (kind, _) in columns.items()}
    parts = []
    for log, columns in _OF_AGENTS.items():
        given = [
            f"{columns[name][1].format(**words)} AS {name}" if owner == log else f"{_nothing(kind, words)} AS {name}"
            for name, (kind, owner) in names.items()
        ]
        parts.append(
            f"SELECT organization_id, agent_id, {', '.join(given)} FROM {log} GROUP BY organization_id, agent_id"  # noqa: S608 - names of our own schema
        )
    gathered = ", ".join(f"max({name}) AS {name}" for name in names)
    return (
        f"SELECT organization_id, agent_id, {gathered} FROM ({' UNION ALL '.join(parts)}) AS parts "  # noqa: S608 - names of our own schema
        "GROUP BY organization_id, agent_id"
    )


def _nothing(kind: str | None, words: dict[str, str]) -> str:
    amount = "TEXT" if "printf" in words["usd"] else "NUMERIC"
    return f"CAST(NULL AS {kind or amount})"


def _attempts(usd: str) -> str:
    return (
        "SELECT attempts.id, attempts.task, attempts.task_id, attempts.number, attempts.outcome, "  # noqa: S608 - names of our own schema
        "count(costs.id) AS calls, sum(costs.tokens_input) AS tokens_input, sum(costs.tokens_output) AS tokens_output, "
        f"{usd} AS usd_cost, count(costs.id) - count(usd_cost) AS unpriced "
        "FROM code_exec_logs AS attempts LEFT JOIN model_cost_logs AS costs ON costs.task_id = attempts.task_id "
        "AND costs.created_at >= attempts.started_at AND costs.created_at <= attempts.ended_at "
        "GROUP BY attempts.id, attempts.task, attempts.task_id, attempts.number, attempts.outcome"
    )


def downgrade() -> None:
    for view in ("code_exec_telemetry", "agent_telemetry", "daily_costs", "workflow_costs", "agent_costs"):
        op.execute(f"DROP VIEW {view}")
