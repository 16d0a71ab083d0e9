"""Rows a second into a PostgreSQL warehouse: the loader's, beside plain COPY of the same rows into a twin.

    python -m loadtests.inside.warehouse_rates --warehouse URL --rows N --rounds N

Both are given the same batches of rows, in turns, each in a commit of its own. The peer is COPY in binary, by the same
driver, into a copy of the table with its primary key and its indexes; nothing there looks for duplicates. Then all
batches of a round are loaded again. Prints the figures of each round as JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from contextlib import closing
from dataclasses import fields
from operator import attrgetter
from random import Random
from typing import TYPE_CHECKING, Any, Final

import orjson

from loadtests.inside.filling import records
from orchestrator.warehouse.copying import TYPES
from orchestrator.warehouse.loader import load
from orchestrator.warehouse.rows import CostRow, cost_row
from orchestrator.warehouse.schema import STORE, model_cost_logs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Engine

BATCH: Final = 5_000
COLUMNS: Final = tuple(field.name for field in fields(CostRow))
KINDS: Final = [TYPES.get(type(model_cost_logs.c[name].type), "text") for name in COLUMNS]
PLAIN: Final = f"COPY plain_cost_logs ({', '.join(COLUMNS)}) FROM STDIN (FORMAT BINARY)"

Batches = list[list[CostRow]]


def measured(engine: Engine, rows: int, rounds: int) -> list[dict[str, float]]:
    """Measure so many rounds."""
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE plain_cost_logs (LIKE model_cost_logs INCLUDING ALL)")
    return [_round(engine, _batches(Random(number), rows), turn=number) for number in range(rounds)]


def _batches(dice: Random, rows: int) -> Batches:
    made = [cost_row(each, orjson.loads(each.body)["data"]) for each in records(dice, rows)]
    return [made[start : start + BATCH] for start in range(0, rows, BATCH)]


def _round(engine: Engine, batches: Batches, turn: int) -> dict[str, float]:
    """Load and copy in turns, batch by batch; every other round begins with the other one."""
    spent = {"loaded": 0.0, "copied": 0.0}
    new = 0
    for number, batch in enumerate(batches):
        for name in sorted(spent, reverse=(turn + number) % 2 == 0):
            began = time.perf_counter()
            if name == "loaded":
                new += load(engine, batch)
            else:
                _copy(engine, batch)
            spent[name] += time.perf_counter() - began
    again, seconds = _timed(lambda: sum(load(engine, batch) for batch in batches))
    rows = sum(map(len, batches))
    rates = {name: rows / seconds for name, seconds in spent.items()}
    return rates | {"rows": rows, "new": new, "replayed": rows / seconds, "new_by_replay": again}


def _timed(call: Callable[[], int]) -> tuple[int, float]:
    began = time.perf_counter()
    return call(), time.perf_counter() - began


def _copy(engine: Engine, rows: Sequence[CostRow]) -> None:
    values = attrgetter(*COLUMNS)
    with engine.begin() as connection:
        driver: Any = connection.connection.cursor()
        with driver as cursor, cursor.copy(PLAIN) as copy:
            copy.set_types(KINDS)
            for row in rows:
                copy.write_row(values(row))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Rows a second into a warehouse")
    parser.add_argument("--warehouse", required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    options = parser.parse_args()
    STORE.migrate(options.warehouse)
    engine = STORE.open(options.warehouse)
    with closing(engine.raw_connection()):
        print(json.dumps(measured(engine, options.rows, options.rounds)))
    engine.dispose()


if __name__ == "__main__":
    main()
