"""What the figures are called by people; a figure that is not known keeps its name."""

from __future__ import annotations

from typing import Final

LABELS: Final = {
    "overhead_p50_ms": "Overhead p50, end to end",
    "overhead_p95_ms": "Overhead p95, end to end",
    "overhead_p99_ms": "Overhead p99, end to end",
    "worker_overhead_p50_ms": "Overhead p50, in the worker",
    "worker_overhead_p95_ms": "Overhead p95, in the worker",
    "worker_overhead_p99_ms": "Overhead p99, in the worker",
    "worker_delayed_overhead_p50_ms": "Overhead p50, in the worker with its waits for a processor",
    "worker_delayed_overhead_p95_ms": "Overhead p95, in the worker with its waits for a processor",
    "worker_delayed_overhead_p99_ms": "Overhead p99, in the worker with its waits for a processor",
    "worker_cpu_overhead_us": "Worker's processor time for the plugin, a call",
    "worker_memory_overhead_mb": "Worker's memory for the plugin",
    "first_retry_success": "First retries that succeeded",
    "first_retry_recoverable": "Of the recoverable, recovered at first retry",
    "first_retry_disagreements": "Disagreements of the three accounts",
    "recoverable_never_released": "Recoverable, never released",
    "duplicate_executions": "Duplicate executions",
    "added_wait_p50_s": "Added wait p50",
    "added_wait_p95_s": "Added wait p95",
    "events_lost": "Events lost",
    "cost_completeness": "Paid answers with their cost",
    "conservation": "Events unaccounted for",
    "dead_letters": "Events that a sink gave up",
    "error_rate": "Requests not answered well",
    "retries_answered": "Retries answered, of those an operator asked for",
    "arrivals_off": "Arrivals off the planned rate",
    "arrivals_late": "Arrivals that left late",
    "knee_calls_per_second": "The knee, of calls",
    "knee_api_requests_per_second": "The knee, of the API",
    "api_p50_ms": "API p50",
    "api_p95_ms": "API p95",
    "api_p99_ms": "API p99",
    "end_to_end_p50_ms": "Calls p50, end to end",
    "end_to_end_p95_ms": "Calls p95, end to end",
    "end_to_end_p99_ms": "Calls p99, end to end",
    "throughput_per_second": "Calls a second",
    "orchestrator_cpu_us_per_call": "Orchestrator's processor time, a call",
    "memory_slope_mb_per_hour": "Growth of memory",
    "handles_slope_per_hour": "Growth of open handles",
    "backlog_end": "Left waiting at the end",
    "faults_made": "Faults made, of those planned",
}
SUFFIXES: Final = {"_traced": ", traced", "_bus_slow": ", bus slow", "_bus_down": ", bus down"}


def label(figure: str) -> str:
    """Say a figure's name; what it was measured under comes last."""
    for suffix, said in SUFFIXES.items():
        if figure.endswith(suffix):
            return label(figure.removesuffix(suffix)) + said
    return LABELS.get(figure, figure.replace("_", " "))
