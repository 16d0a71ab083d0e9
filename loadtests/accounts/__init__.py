"""The accounts of a run: every call, every redrive and every event, told by more than one."""

from loadtests.accounts.summing import Accounts, figures_of

__all__ = ["Accounts", "figures_of"]
