"""Methods that are made slower on purpose take as much longer as was asked, and do what they did."""

from __future__ import annotations

import time
from functools import partial

import pytest

from loadtests.slowing import delayed, replace, spin, stretched


class Machine:
    """Something that works."""

    def work(self, seconds: float) -> str:
        """Use the processor."""
        spin(seconds)
        return f"worked {seconds}"

    def work_twice(self, seconds: float) -> str:
        """Use it in two calls within one."""
        return self.work(seconds) + self.work(seconds)

    def fail(self) -> None:
        """Use it, and fail."""
        spin(0.02)
        raise ValueError("broken")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine whose methods are as they were after the test."""
    for name in ("work", "work_twice", "fail"):
        monkeypatch.setattr(Machine, name, getattr(Machine, name))
    return Machine()


def test_a_delayed_method_waits_first_and_gives_what_it_gave(machine: Machine) -> None:
    """The delay is at least what was asked."""
    replace(Machine, "work", partial(delayed, seconds=0.03))
    began = time.perf_counter()
    assert machine.work(0.0) == "worked 0.0"
    assert time.perf_counter() - began >= 0.03


def test_a_stretched_method_uses_a_share_more_once_even_where_calls_are_nested(machine: Machine) -> None:
    """Two calls within one are stretched by the outer one alone, or a fifth would become two."""
    for name in ("work", "work_twice"):
        replace(Machine, name, partial(stretched, share=0.5))
    began = time.thread_time()
    machine.work_twice(0.02)
    took = time.thread_time() - began
    assert 0.06 <= took < 0.08


def test_a_stretched_method_that_fails_still_fails_and_the_next_is_stretched(machine: Machine) -> None:
    """An exception goes through, and leaves nothing behind."""
    replace(Machine, "fail", partial(stretched, share=0.5))
    for _ in range(2):
        began = time.thread_time()
        with pytest.raises(ValueError, match="broken"):
            machine.fail()
        assert time.thread_time() - began >= 0.03


def test_a_method_that_is_gone_is_no_sabotage(machine: Machine) -> None:
    """A hook that was renamed must not leave a sabotage that does nothing."""
    with pytest.raises(AttributeError):
        replace(type(machine), "work_again", partial(delayed, seconds=1.0))
