"""An application that uses RudderStack's SDK as it is installed: several threads, every call, one flush at its end.

Before the second half of the messages it waits for a line on its input. It prints each message that the SDK took, one
a line, and then what the SDK reported as lost.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rudderstack.analytics.client import Client

THREADS = 4


def main(url: str, write_key: str, messages: int) -> None:
    """Send so many messages."""
    lost: list[dict[str, Any]] = []
    client = Client(write_key, host=url, thread=2, on_error=lambda _error, batch: lost.extend(batch))
    with ThreadPoolExecutor(THREADS) as pool:
        taken = list(pool.map(lambda number: call(client, number), range(messages // 2)))
        sys.stdin.readline()
        taken += pool.map(lambda number: call(client, number), range(messages // 2, messages))
    client.flush()
    for was_taken, message in taken:
        if was_taken:
            sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.write(json.dumps([each["messageId"] for each in lost]) + "\n")


def call(client: Client, number: int) -> tuple[bool, dict[str, Any]]:
    """Make one of the SDK's calls, each kind in its turn."""
    user, properties = f"user-{number % 50}", {"number": number, "text": "é \u2603", "nothing": None}
    calls = (
        lambda: client.track(user, "Order Paid", properties),
        lambda: client.identify(user, {"plan": "pro", "number": number}),
        lambda: client.page(user, "docs", "Start", properties),
        lambda: client.screen(user, "app", "Home", properties),
        lambda: client.group(user, f"group-{number % 7}", {"size": number}),
        lambda: client.alias(f"guest-{number}", user),
        lambda: client.track(event="Seen", anonymous_id=f"guest-{number}", properties=properties),
    )
    taken: tuple[bool, dict[str, Any]] = calls[number % len(calls)]()
    return taken


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
