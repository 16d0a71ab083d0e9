"""Text from elsewhere in Markdown: whatever it is, a renderer makes no tag, no link and no picture of it."""

from __future__ import annotations

from html.parser import HTMLParser

import markdown
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orchestrator.domain.markdown import escaped, quoted

EXTENSIONS = ["extra", "tables", "fenced_code", "nl2br", "sane_lists", "toc", "smarty"]
OURS = {"ul", "li", "strong", "p"}
HOSTILE = (
    "<script>alert(1)</script>",
    "<!-- <b>never closed",
    "<div markdown='1'>*x*</div>",
    "![x](http://evil.example/a.png)",
    "[click](javascript:alert(1))",
    "[a]: http://evil.example",
    "<http://evil.example>",
    "http://evil.example www.evil.example me@evil.example",
    "`code` ``` ~~~ ~~gone~~",
    "# heading\n## another",
    "a | b\n--- | ---\n1 | 2",
    "*x* **y** _z_ __w__ ***v***",
    "> quoted\n- item\n1. one\n+ two",
    "&lt;b&gt; &#60;b&#62; &amp;",
    "\\*x\\* \\[a\\](b) \\<b\\>",
    "[^1]: a note\n*[HTML]: words",
    "{: onclick=alert(1) } {.cls}",
    "a\n===\nb\n---",
    "\x1b[2J\u202e\x00\x02klzzwxh:0001\x03",
    "term\n: definition",
    "- 1. + *",
    "1. one",
    "::: note",
)
PARTS = st.sampled_from([*HOSTILE, *"<>&|`~*_{}[]()#!+-.:=\\@$'\"/ \n\t0a", "http", "www.", "://", "    "])
TEXTS = st.lists(PARTS, max_size=8).map("".join) | st.text(max_size=40)


class Page(HTMLParser):
    """The tags that a page has, their attributes, and its text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.comments: list[str] = []
        self.feed(markdown.markdown(source, extensions=EXTENSIONS))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        """Note text."""
        self.text += data

    def handle_comment(self, data: str) -> None:
        """Note a comment."""
        self.comments.append(data)


def letters(text: str) -> str:
    """Give the letters and digits of text: what typography may not change."""
    return "".join(each for each in text if each.isascii() and each.isalnum())


@settings(max_examples=300, deadline=None)
@given(TEXTS)
@example("".join(HOSTILE))
def test_escaped_text_is_only_shown(text: str) -> None:
    """In the middle of a line and at the beginning of an item: no tag but ours, no attribute, and the text is there."""
    page = Page(f"- **what**: {escaped(text)} end\n- {escaped(text)}\n\n{escaped(text)}\n")
    assert page.tags <= OURS
    assert (page.attributes, page.comments) == ([], [])


@pytest.mark.parametrize("text", HOSTILE)
def test_escaped_text_can_be_read(text: str) -> None:
    """What was written is what is shown, but for control characters, which are shown as codes."""
    visible = "".join(each for each in text if each.isprintable() or each == "\n")
    page = Page(f"start {escaped(visible)}")
    assert letters(page.text) == letters(f"start {visible}")


def test_plain_text_stays_plain() -> None:
    """Names of tasks and sentences are read in the source as they are."""
    assert escaped("app.trips.book: 3 of 5 runs failed, 12.5 s") == "app.trips.book: 3 of 5 runs failed, 12.5 s"


@settings(max_examples=300, deadline=None)
@given(TEXTS)
@example("\n\n".join(HOSTILE))
def test_quoted_text_stays_in_its_block(text: str) -> None:
    """A block of code holds it, whatever lines it has; nothing of it ends the block."""
    page = Page("\n".join(["before", "", *quoted(text or "x"), "", "after"]))
    assert page.tags <= {"p", "pre", "code"}
    assert (page.attributes, page.comments) == ([], [])
    assert page.text.rstrip().endswith("after")
