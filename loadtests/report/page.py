"""The report as one page: gates first, then pictures; whole in one file, and it asks nothing of any network."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from loadtests.report import wording
from loadtests.report.markup import Markup, joined, tag
from loadtests.report.sections.behind import behind
from loadtests.report.sections.cost import cost
from loadtests.report.sections.course import course, resources
from loadtests.report.sections.knee import knee
from loadtests.report.sections.nights import nights
from loadtests.report.sections.retries import retries
from loadtests.report.sections.verdict import gates, head

if TYPE_CHECKING:
    from collections.abc import Mapping

STYLE: Final = "data/report.css"
# The browser itself refuses whatever would be fetched.
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"


def page(document: Mapping[str, Any]) -> str:
    """Give the page of a run's document; flame graphs are linked where the document names them."""
    body = tag(
        "main",
        head(document),
        gates(document),
        knee(document),
        course(document),
        retries(document),
        cost(document),
        nights(document),
        resources(document),
        behind(document),
    )
    title = f"{wording.outcome(document)}: {document['scenario']}, {document['started_at'][:10]}"
    return f"<!doctype html>\n{tag('html', _head(title), tag('body', body), lang='en')}\n"


def _head(title: str) -> Markup:
    style = files("loadtests").joinpath(STYLE).read_text(encoding="utf-8")
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        joined(Markup(f"<style>{style}</style>")),
    )
