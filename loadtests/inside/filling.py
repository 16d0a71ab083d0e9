"""Puts model calls into an event log: all at once, or so many a second.

    python -m loadtests.inside.filling --log URL --events N --seed N [--rate PER_SECOND]

Each event's time is the moment at which its batch was handed to the log. Prints the seconds that it took, as JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Final

from eventbus.wire import LLM_CALL, Event, time_ordered
from loadtests.apps.ways import CALL, SOURCE
from orchestrator.domain.events import Price, PricingStatus
from orchestrator.eventlog.schema import STORE
from orchestrator.eventlog.sql import SqlEventLog
from orchestrator.flows.intake import record_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.domain.events import EventRecord

BATCH: Final = 100
# At a set rate: a batch every 20 ms.
BATCHES_A_SECOND: Final = 50
EXECUTIONS: Final = 1_000
EVENTS_A_MILLISECOND: Final = 5
PRICED: Final = Price(PricingStatus.PRICED, Decimal("0.0007500000"), "genai-prices")


def fill(log: SqlEventLog, events: int, dice: Random, rate: float | None) -> None:
    """Append them in batches, each when its time has come."""
    began = time.monotonic()
    size = BATCH if rate is None else max(1, round(rate / BATCHES_A_SECOND))
    for start in range(0, events, size):
        if rate is not None:
            time.sleep(max(0.0, began + start / rate - time.monotonic()))
        log.append(list(records(dice, min(size, events - start), start)))


def records(dice: Random, number: int, start: int = 0) -> Iterator[EventRecord]:
    """Make records of model calls, as intake makes them; `start` is how many there were before.

    Their ids follow the time, as those that workers give do.
    """
    now = datetime.now(UTC)
    for place in range(start, start + number):
        # As many executions as there are in a busy minute: the gateway keeps the order of each by itself.
        execution = f"w-{dice.randrange(EXECUTIONS)}"
        id_ = str(time_ordered(place // EVENTS_A_MILLISECOND, dice.getrandbits(80)))
        yield record_of(Event(id_, SOURCE, LLM_CALL, now, {**CALL, "workflow_execution_id": execution}), PRICED)


def ids(dice: Random, number: int) -> set[str]:
    """Give the ids of the records that the same dice make."""
    return {each.id for each in records(dice, number)}


def main() -> None:
    """Fill, and tell how long it took."""
    parser = argparse.ArgumentParser(description="Fill an event log")
    parser.add_argument("--log", required=True)
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--rate", type=float)
    options = parser.parse_args()
    STORE.migrate(options.log)
    log = SqlEventLog(options.log)
    began = time.monotonic()
    fill(log, options.events, Random(options.seed), options.rate)
    log.close()
    print(json.dumps({"seconds": time.monotonic() - began}))


if __name__ == "__main__":
    main()
