"""Dispatches a trigger, through the API."""

from __future__ import annotations

import json
import os
import urllib.request
from typing import Any

from st2common.runners.base_action import Action  # type: ignore[import-not-found]  # the runner puts it on the path

PATIENCE = 30.0


class InjectTrigger(Action):  # type: ignore[misc]  # as above
    """Posts to the generic webhook, and gives its answer."""

    def run(self, trigger: Any = None, trigger_name: Any = None, payload: Any = None, trace_tag: Any = None) -> Any:
        """Dispatch a trigger type with a payload; raises ValueError where it is not named exactly once."""
        if trigger and trigger_name:
            raise ValueError("Parameters `trigger` and `trigger_name` are mutually exclusive.")
        if not (trigger or trigger_name):
            raise ValueError("You must include the `trigger_name` parameter.")
        headers = {"Content-Type": "application/json", "X-Auth-Token": os.environ["ST2_ACTION_AUTH_TOKEN"]}
        if trace_tag:
            headers["St2-Trace-Tag"] = trace_tag
        body = json.dumps({"trigger": trigger or trigger_name, "payload": payload or {}}).encode()
        url = os.environ["ST2_ACTION_API_URL"] + "/webhooks/st2"
        request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310 the server gives the URL
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=PATIENCE) as answer:
            return json.load(answer)
