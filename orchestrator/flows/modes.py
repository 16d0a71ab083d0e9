"""The mode, as a person switches it: the switch is a command like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.domain.commands import Command, CommandKind
from orchestrator.flows.announcing import command_recorded

if TYPE_CHECKING:
    from orchestrator.domain.commands import Mode
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.flows.sending_again import Word


def switch_mode(tx: LedgerTx, word: Word, mode: Mode, default: Mode) -> None:
    """Switch the mode, audited; the mode that was set already is none to be switched to. `default` holds before any."""
    before = tx.mode()
    if before is mode:
        return
    tx.set_mode(mode, word.actor, word.at)
    command = Command(
        id=word.id,
        actor=word.actor,
        reason=word.reason,
        created_at=word.at,
        kind=CommandKind.MODE,
        before={"mode": str(before or default)},
        after={"mode": str(mode)},
    )
    tx.add_command(command)
    tx.emit(command_recorded(command, None, word.at))
