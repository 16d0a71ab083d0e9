"""The full deployment, which no test starts, as far as reading it tells."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

SERVICES = yaml.safe_load((Path(__file__).parents[2] / "docker-compose.yml").read_text())["services"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_watched_and_holds_no_secret(name: str) -> None:
    """Each service has an exact version, a health check, a profile, loopback ports, and no password written down."""
    service = SERVICES[name]
    assert re.fullmatch(r"[a-z/-]+:\d+\.\d+(\.\d+)?", service["image"])
    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["profiles"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    for variable, value in service.get("environment", {}).items():
        assert not re.search("PASS|SECRET|TOKEN", variable) or value.startswith("${")
