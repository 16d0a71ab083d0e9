"""The command to type after an answer that is a problem: by what was asked for, and what was wrong with it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Final

PREFIX: Final = "/api/v1/"


@dataclass(frozen=True, slots=True)
class Advice:
    """The commands about one kind of resource: the list, one of them (`{}` is its id), and how to ask for a change."""

    path: str
    lists: str
    shows: str
    helps: str

    def show(self, path: str) -> str:
        """Give the command that shows what a path names; the list, where a shell would not take the name as it is."""
        name = path.removeprefix(f"{PREFIX}{self.path}/").partition("/")[0]
        named = path.startswith(f"{PREFIX}{self.path}/") and "{}" in self.shows and shlex.quote(name) == name
        return self.shows.format(name) if named else self.lists


# The longer path first.
ADVICE: Final = (
    Advice("incidents", "redrive incidents list", "redrive incidents show {}", "redrive incidents update --help"),
    Advice("recovery/retries", "redrive recoveries list", "redrive recoveries show {}", "redrive recoveries --help"),
    Advice("recovery/reroute", "redrive incidents list", "", "redrive reroute --help"),
    Advice("recovery", "redrive incidents list", "", "redrive retry --help"),
    Advice("failures", "redrive failures list", "redrive failures show {}", "redrive failures --help"),
    Advice("releases", "redrive incidents list", "", "redrive incidents --help"),
    Advice("dependencies", "redrive dependencies", "redrive dependencies {}", "redrive hold --help"),
    Advice("events", "redrive events list", "redrive events show {}", "redrive events --help"),
    Advice("sinks", "redrive sinks list", "", "redrive sinks --help"),
    Advice("alerts", "redrive alerts list", "", "redrive alerts --help"),
    Advice("alert-tests", "redrive alerts list", "", "redrive alerts test --help"),
    Advice("approvals", "redrive approvals list", "", "redrive approvals --help"),
    Advice("audit", "redrive audit list", "", "redrive audit --help"),
    Advice("why", "redrive incidents list", "", "redrive why --help"),
    Advice("mode", "redrive mode", "", "redrive mode --help"),
)
OTHERWISE: Final = Advice("", "redrive incidents list", "", "redrive --help")


def about(path: str) -> Advice:
    """Find the commands about what was asked for; the card's paths without a prefix are the API's own."""
    full = path if path.startswith(PREFIX) else f"{PREFIX}{path.lstrip('/')}"
    below = full.removeprefix(PREFIX)
    return next((each for each in ADVICE if below == each.path or below.startswith(f"{each.path}/")), OTHERWISE)
