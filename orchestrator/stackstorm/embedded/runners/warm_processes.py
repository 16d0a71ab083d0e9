"""The warm processes of all packs: started when first needed or ahead of it, replaced when the pack is read again."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.runners.python_script import Ended, Job, WarmProcess

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.content.values import Action, Pack


class WarmProcesses:
    """One warm process for each pack that has Python actions."""

    def __init__(self, api_url: str) -> None:
        self._api_url = api_url
        self._lock = threading.Lock()
        self._processes: dict[str, WarmProcess] = {}
        self._closed = False

    def warm(self, pack: Pack) -> WarmProcess:
        """Give the pack's process, starting it where there is none or where it has died."""
        with self._lock:
            if self._closed:
                raise RuntimeError("expected to run before the end, got an action while everything stops")
            process = self._processes.get(pack.ref)
            if process is None or not process.alive:
                process = self._processes[pack.ref] = WarmProcess(pack.path)
            return process

    def run(self, pack: Pack, action: Action, execution: str, runner: dict[str, Any], own: dict[str, Any]) -> Ended:
        """Run one Python action to its end; blocks."""
        if action.entry_point is None:
            raise LookupError(f"expected an entry point of {action.ref}, got none")
        job = Job(
            file=action.entry_point,
            parameters=own,
            config=dict(pack.config),
            env={**(runner.get("env") or {}), **self._environment(pack, execution)},
            path=[str(pack.path / "actions" / "lib")],
            timeout=float(runner["timeout"]),
            log_level=runner["log_level"],
        )
        return self.warm(pack).run(job)

    def replace(self, pack: Pack) -> None:
        """Start a fresh process for a pack that was read again; actions that run in the old one finish first."""
        with self._lock:
            old = self._processes.pop(pack.ref, None)
        if old is not None:
            old.retire()
        self.warm(pack)

    def close(self) -> None:
        """Stop all of them, and what runs in them."""
        with self._lock:
            self._closed = True
            processes = list(self._processes.values())
            self._processes.clear()
        for process in processes:
            process.close()

    def _environment(self, pack: Pack, execution: str) -> dict[str, str]:
        return {
            "ST2_ACTION_PACK_NAME": pack.ref,
            "ST2_ACTION_EXECUTION_ID": execution,
            "ST2_ACTION_API_URL": self._api_url,
            "ST2_ACTION_AUTH_TOKEN": "",
        }
