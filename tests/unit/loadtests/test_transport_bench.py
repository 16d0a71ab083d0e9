"""The transport benchmark's verdict, on rates that are given."""

from __future__ import annotations

import json

import pytest

from loadtests.bench import transport

RATES = {"bus": 100.0, "rabbitmq": 50.0, "filesystem": 10.0}


@pytest.mark.parametrize(("filesystem", "code"), [(10.0, 0), (50.0, 99)])
def test_a_missed_target_is_told_by_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], filesystem: float, code: int
) -> None:
    """The bus is set beside each peer, and 99 says that the stated multiple was missed."""
    rates = {**RATES, "filesystem": filesystem}
    monkeypatch.setattr(transport, "measured", lambda name: {"put": rates[name], "get_and_ack": rates[name]})
    assert transport.main(True) == code
    report = json.loads(capsys.readouterr().out)
    assert report["bus_to_peer"]["rabbitmq"] == {"put": 2.0, "get_and_ack": 2.0}
    assert report["target_met"] is (code == 0)


def test_a_broker_that_does_not_answer_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without RabbitMQ the rest is measured, and the report says what is missing."""
    answers = {name: {"put": rate, "get_and_ack": rate} for name, rate in RATES.items() if name != "rabbitmq"}
    monkeypatch.setattr(transport, "measured", answers.get)
    assert transport.main(False) == 0
    assert "rabbitmq    not reachable" in capsys.readouterr().out
