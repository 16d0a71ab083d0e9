"""Messages a second through the server-less bus, beside RabbitMQ and kombu's filesystem transport, in one run.

Each transport puts the same messages one by one and gets them back with acknowledgements, in a process of its own; the
transports take turns, and the median of the rounds counts. RabbitMQ confirms each persistent message, so that a put
means there what it means here: when it returns, the message is kept. The filesystem transport syncs nothing.
"""

from __future__ import annotations

import json as json_module
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Final

MESSAGES: Final = 2_000
ROUNDS: Final = 3
# The filesystem transport scans its folder at each get; the bus must not slow down with its backlog.
TARGET_GETS_OF_FILESYSTEM: Final = 5.0
TARGET_MISSED: Final = 99
AMQP_VARIABLE: Final = "REDRIVE_TEST_AMQP_URL"
BUS, RABBITMQ, FILESYSTEM = "bus", "rabbitmq", "filesystem"
Rates = dict[str, float]


@dataclass(frozen=True, slots=True)
class Report:
    """The rates of each transport that answered, in messages a second, and the bus's as a multiple of each peer's."""

    messages: int
    rounds: int
    messages_per_second: dict[str, Rates]
    bus_to_peer: dict[str, Rates]
    not_reachable: list[str]
    target: str
    target_met: bool

    @classmethod
    def of(cls, rates: dict[str, Rates]) -> Report:
        """Set the bus beside its peers, and the target beside the bus."""
        peers = {name: theirs for name, theirs in rates.items() if name != BUS}
        ratios = {
            peer: {rate: round(rates[BUS][rate] / theirs[rate], 2) for rate in theirs} for peer, theirs in peers.items()
        }
        return cls(
            messages=MESSAGES,
            rounds=ROUNDS,
            messages_per_second=rates,
            bus_to_peer=ratios,
            not_reachable=[name for name in (RABBITMQ,) if name not in rates],
            target=f"get_and_ack at least {TARGET_GETS_OF_FILESYSTEM:.0f} x the filesystem transport's",
            target_met=ratios[FILESYSTEM]["get_and_ack"] >= TARGET_GETS_OF_FILESYSTEM,
        )


def main(json: bool) -> int:  # noqa: FBT001 - every benchmark is called so
    """Measure and print; gives 99 when the stated target was missed."""
    rounds: dict[str, list[Rates]] = {BUS: [], RABBITMQ: [], FILESYSTEM: []}
    for _ in range(ROUNDS):
        for name, kept in rounds.items():
            if (rates := measured(name)) is not None:
                kept.append(rates)
    report = Report.of({name: middle(kept) for name, kept in rounds.items() if kept})
    print(json_module.dumps(asdict(report)) if json else described(report))
    return 0 if report.target_met else TARGET_MISSED


def measured(name: str) -> Rates | None:
    """Measure one transport in a process of its own; None when RabbitMQ does not answer (the reason goes to stderr)."""
    with tempfile.TemporaryDirectory() as folder:
        url, options = address(name, Path(folder))
        command = [sys.executable, "-m", "loadtests.apps.transport_rates", url, str(MESSAGES)]
        done = subprocess.run(
            [*command, "--options", json_module.dumps(options)], capture_output=True, text=True, check=False
        )
    if done.returncode == 0:
        return dict(json_module.loads(done.stdout))
    print(f"{name}: {done.stderr.strip().rpartition(chr(10))[2]}", file=sys.stderr)
    if name != RABBITMQ:
        msg = f"expected rates of {name}, got exit code {done.returncode}; its last line stands above"
        raise RuntimeError(msg)
    return None


def address(name: str, folder: Path) -> tuple[str, dict[str, object]]:
    """Give a transport's URL and kombu's options for it."""
    if name == BUS:
        return f"redrive+sqlite:///{folder}/bus.sqlite", {}
    if name == RABBITMQ:
        url = os.environ.get(AMQP_VARIABLE, "amqp://guest:guest@127.0.0.1:5672//")
        return url, {"confirm_publish": True}
    (folder / "messages").mkdir()
    folders = {"data_folder_in": "messages", "data_folder_out": "messages", "control_folder": "control"}
    return "filesystem://", {option: str(folder / each) for option, each in folders.items()} | {"polling_interval": 0}


def middle(rounds: list[Rates]) -> Rates:
    """Give the median of each rate."""
    return {rate: round(median(each[rate] for each in rounds), 1) for rate in rounds[0]}


def described(report: Report) -> str:
    """Write the report as a person reads it."""
    lines = [f"{MESSAGES} messages, median of {ROUNDS} rounds; messages a second (the bus is so many times as fast)"]
    for name, theirs in report.messages_per_second.items():
        shown = [f"{rate} {value:8,.0f}{times(report.bus_to_peer, name, rate)}" for rate, value in theirs.items()]
        lines.append(f"{name:12}{'   '.join(shown)}")
    lines += [f"{name:12}not reachable" for name in report.not_reachable]
    return "\n".join([*lines, f"target: {report.target}: {'met' if report.target_met else 'MISSED'}"])


def times(ratios: dict[str, Rates], peer: str, rate: str) -> str:
    """Show how many times a peer's rate the bus reaches; nothing beside the bus itself."""
    return f" ({ratios[peer][rate]:5.2f} x)" if peer in ratios else " " * 10
