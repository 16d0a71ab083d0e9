"""Where a request without an API key may come from: programs and pages of this machine.

A browser takes the pages of any site to loopback. Origin tells whose page asks; Host tells the name that was asked
for, which may be a site's own that it lets resolve to 127.0.0.1.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit

from orchestrator.stackstorm.embedded.errors import Fault


def check(host: str | None, origin: str | None) -> None:
    """Let in what names this machine, or nothing, in its Host and its Origin; raises Fault 403."""
    for header, url in (("Host", host and f"//{host}"), ("Origin", origin)):
        if url is not None and not _local(url):
            expected = "expected a request from this machine, as no API key is set"
            raise Fault(403, f"{expected}; got {header}: {url.removeprefix('//')}; name 127.0.0.1, or set a key")


@lru_cache(maxsize=64)
def _local(url: str) -> bool:
    try:
        name = urlsplit(url).hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
