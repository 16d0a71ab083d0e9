"""The RudderStack SDK's own client, unmodified and with its defaults: tracks so many calls, and flushes.

    python -m loadtests.apps.rudder_client --data-plane URL --write-key KEY --events N

Its queue holds 10,000 messages and drops what does not fit: this caller waits for room, so that nothing is lost.
"""

from __future__ import annotations

import argparse
import os
import time
from typing import Final

from loadtests.apps.ways import CALL

# Importing the SDK would read the first .env file above it.
os.environ.setdefault("PYTHON_DOTENV_DISABLED", "1")

ROOM_SECONDS: Final = 0.001
# What an LLM call's message has beside its data when Redrive sends it.
COST: Final = {
    "gen_ai.usage.cost.amount": "0.0007500000",
    "gen_ai.usage.cost.currency": "USD",
    "pricing_status": "priced",
    "pricing_version": "genai-prices",
}


def main() -> None:
    """Track and flush."""
    from rudderstack.analytics.client import Client  # noqa: PLC0415 - after .env files were switched off

    parser = argparse.ArgumentParser(description="The RudderStack SDK's own client")
    parser.add_argument("--data-plane", required=True)
    parser.add_argument("--write-key", required=True)
    parser.add_argument("--events", type=int, required=True)
    options = parser.parse_args()
    client = Client(options.write_key, host=options.data_plane)
    for number in range(options.events):
        while client.queue.full():
            time.sleep(ROOM_SECONDS)
        client.track(anonymous_id=f"w-{number}", event="LLM Call", properties=CALL | COST)
    client.flush()


if __name__ == "__main__":
    main()
