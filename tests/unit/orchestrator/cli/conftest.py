"""The API that the verbs speak to, as the tests of the API serve it."""

from tests.unit.orchestrator.api.conftest import api, server  # noqa: F401 - fixtures
