"""The API that the verbs speak to, as the tests of the API serve it."""

from tests.unit.orchestrator.api.conftest import api, server  # noqa: F401 - fixtures


def flat(text: str) -> str:
    """Give what a command said without the ends of its lines, which are where the terminal's width has them."""
    return " ".join(text.split())
