"""Which module runs in the place of which, for each sabotage."""

from pathlib import Path

import pytest

from loadtests import sabotage


def test_without_a_sabotage_the_real_modules_run() -> None:
    """A run that names none starts what a user starts, with no variable of ours in its environment."""
    plain = sabotage.of(None)
    assert (plain.worker_app, plain.orchestrator) == ("loadtests.apps.timed", "orchestrator")
    assert plain.provider == "loadtests.apps.provider"
    assert plain.environ(Path("run")) == {}


@pytest.mark.parametrize("name", sabotage.NAMES)
def test_each_sabotage_replaces_something_and_says_which_it_is(name: str) -> None:
    """A sabotage that starts the same processes as a run without one could not be noticed."""
    made, plain = sabotage.of(name), sabotage.of(None)
    ours = {made.worker_app, made.orchestrator, made.provider} - {plain.worker_app, plain.orchestrator, plain.provider}
    assert ours
    assert made.environ(Path("run"))[sabotage.VARIABLE] == name


def test_an_unknown_name_is_refused_with_those_that_there_are() -> None:
    """Whoever mistypes is told the names."""
    with pytest.raises(sabotage.SabotageUnknown, match=r"expected one of slow-plugin, .*got 'slow'"):
        sabotage.of("slow")
