"""What is said once is known in nested calls, plain and asynchronous, and nowhere else."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from eventbus import scope
from eventbus.telemetry import context

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


def known() -> dict[str, str]:
    """Give what is known here."""
    return dict(scope.current())


def test_what_is_said_holds_within_and_ends_with_the_block() -> None:
    """Nested contexts add up, the inner one wins, None takes away; after an error too all is as before."""

    def fail() -> None:
        with context(user_id=None, agent_id="planner"):
            assert known() == {"organization_id": "acme", "agent_id": "planner"}
            raise KeyError

    with context(organization_id="acme", user_id="ann"):
        with pytest.raises(KeyError):
            fail()
        assert known() == {"organization_id": "acme", "user_id": "ann"}
    assert known() == {}


def test_a_function_is_decorated() -> None:
    """Each call of a decorated function knows it, recursive ones too; name and arguments stay."""

    @context(agent_id="planner")
    def plan(depth: int) -> dict[str, str]:
        """Plan."""
        return plan(depth - 1) if depth else known()

    assert plan(3) == {"agent_id": "planner"}
    assert (plan.__name__, plan.__doc__) == ("plan", "Plan.")
    assert known() == {}


def test_a_coroutine_function_is_decorated() -> None:
    """Over every await the coroutine knows its own; two that run at the same time do not mix."""

    @context(agent_id="planner")
    async def plan(user: str) -> dict[str, str]:
        with context(user_id=user):
            await asyncio.sleep(0)
            return known()

    async def both() -> list[dict[str, str]]:
        return [*await asyncio.gather(plan("ann"), plan("bob")), known()]

    expected = [{"agent_id": "planner", "user_id": "ann"}, {"agent_id": "planner", "user_id": "bob"}, {}]
    assert asyncio.run(both()) == expected


def test_another_thread_knows_only_what_it_is_given() -> None:
    """A plain thread knows nothing; `asyncio.to_thread` takes along what is known."""
    seen: list[dict[str, str]] = []
    with context(user_id="ann"):
        thread = threading.Thread(target=lambda: seen.append(known()))
        thread.start()
        thread.join()
        seen.append(asyncio.run(asyncio.to_thread(known)))
    assert seen == [{}, {"user_id": "ann"}]


def test_a_generator_is_not_decorated() -> None:
    """Its body runs after the call: refused, with what to do instead."""

    def items() -> Iterator[int]:
        yield 1

    async def more() -> AsyncIterator[int]:
        yield 1

    for generator in (items, more):
        with pytest.raises(TypeError, match=r"expected a function .* got the generator .*; use `with` inside it"):
            context(user_id="ann")(generator)


def test_what_a_header_carries_is_read_with_care() -> None:
    """Anybody may have written it: only known names with sound text are taken."""
    assert scope.incoming(None) == scope.incoming("x") == scope.incoming(["user_id"]) == {}
    header = {
        "user_id": "ann",
        "agent_id": 7,
        "node_id": "x" * 5_000,
        "task_id": "t",
        "request_id": "a\0",
        "other": "x",
    }
    assert scope.incoming(header) == {"user_id": "ann"}


def test_a_message_carries_no_task_id() -> None:
    """The id of a task is its own, and no message that it sends carries it on."""
    with scope.bound({"task_id": "t-1", "user_id": "ann"}):
        assert scope.outgoing() == {"user_id": "ann"}
