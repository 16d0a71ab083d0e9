"""Inquiries: executions that wait for somebody's response. What they show, and which responses they take."""

from __future__ import annotations

from pprint import pformat
from textwrap import indent
from typing import TYPE_CHECKING, Any, Final

from jsonschema import Draft4Validator  # type: ignore[import-untyped]  # 3.2, which st2client pins, has no types
from jsonschema.exceptions import best_match  # type: ignore[import-untyped]  # as above

from orchestrator.stackstorm.embedded.content.schemas import standard, with_defaults
from orchestrator.stackstorm.embedded.errors import Fault
from orchestrator.stackstorm.embedded.orquesta import statuses
from orchestrator.stackstorm.embedded.runners.catalog import INQUIRER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.stackstorm.embedded.executions import Document

SHOWN: Final = ("route", "ttl", "users", "roles", "schema")
_WIDTH: Final = 72


def view(document: Document) -> Document:
    """Give an inquiry as the API shows it."""
    return {"id": document["id"], **{name: document["result"].get(name) for name in SHOWN}}


def check(document: Document) -> None:
    """Check that an execution is an inquiry which still waits; raises Fault 400."""
    id_, status = document["id"], document["status"]
    if document["runner"] != INQUIRER:
        raise Fault(400, f'Action execution "{id_}" is not an inquiry.')
    if status == statuses.TIMEOUT:
        raise Fault(400, f'Inquiry "{id_}" timed out and cannot be responded to.')
    if status != statuses.PENDING:
        raise Fault(400, f'Inquiry "{id_}" has already been responded to.')


def check_response(document: Document, response: Any, user: str) -> None:
    """Check that this user may respond, and with this; raises Fault 403, 400. Roles need RBAC: here they bar nobody."""
    id_, users = document["id"], document["result"]["users"]
    if users and user not in users:
        raise Fault(403, f'User "{user}" does not have permission to respond to inquiry "{id_}".')
    found = _problem(response, document["result"]["schema"])
    if found is not None:
        raise Fault(400, f'Response for inquiry "{id_}" did not pass schema validation. {found}')


def _problem(response: Any, schema: Mapping[str, Any]) -> str | None:
    """Say what is wrong with a response, in the words of the library that StackStorm validates with."""
    filled = with_defaults(response, schema) if isinstance(response, dict) else response
    error = best_match(Draft4Validator(standard(schema)).iter_errors(filled))
    if error is None:
        return None
    places = list(error.relative_schema_path)[:-1]
    failed = pformat(_inside(schema, places, error.schema), width=_WIDTH, sort_dicts=False)
    value = pformat(error.instance, width=_WIDTH, sort_dicts=False)
    return (
        f"{error.message}\n\n"
        f"Failed validating {error.validator!r} in schema{_subscripts(places)}:\n{indent(failed, '    ')}\n\n"
        f"On instance{_subscripts(list(error.relative_path))}:\n{indent(value, '    ')}"
    )


def _subscripts(places: Sequence[str | int]) -> str:
    return "".join(f"[{place!r}]" for place in places)


def _inside(schema: Any, places: Sequence[str | int], otherwise: Any) -> Any:
    """Give the part of a schema as it was written, which is not the part that was validated with."""
    for place in places:
        try:
            schema = schema[place]
        except (KeyError, IndexError, TypeError):
            return otherwise
    return schema
