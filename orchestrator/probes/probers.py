"""The one prober: it knows who asks over what, times each probe, and lets no fault and no secret out."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from eventbus import scrub
from orchestrator.domain.probes import HttpProbe, ProbeResult, SqlProbe, TaskProbe, TcpProbe, shown
from orchestrator.probes.http import probe_http
from orchestrator.probes.sql import probe_sql
from orchestrator.probes.tcp import probe_tcp

if TYPE_CHECKING:
    from orchestrator.domain.probes import ProbeSpec
    from orchestrator.probes.task import TaskProber

log = structlog.get_logger("redrive")
# Characters of what a dependency says.
LONGEST_WHY = 300


@dataclass(frozen=True, slots=True)
class Probers:
    """The port Prober on real dependencies."""

    tasks: TaskProber

    def probe(self, spec: ProbeSpec) -> ProbeResult:
        """Ask once; a fault of our own is a probe that did not pass, and is told in the log."""
        began = time.monotonic()
        try:
            result = self._ask(spec)
        except Exception as error:
            log.exception("probe.broke", probe=shown(spec))
            result = ProbeResult(passed=False, why=f"the probe itself broke: {type(error).__name__}")
        why = scrub.text(result.why)[:LONGEST_WHY]
        return replace(result, why=why, seconds=time.monotonic() - began)

    def _ask(self, spec: ProbeSpec) -> ProbeResult:
        match spec:
            case HttpProbe():
                return probe_http(spec)
            case TcpProbe():
                return probe_tcp(spec)
            case SqlProbe():
                return probe_sql(spec)
            case TaskProbe():
                return self.tasks.probe(spec)
