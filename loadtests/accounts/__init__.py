"""The accounts of a run: every call, every redrive and every event, told by several who did not ask each other."""

from loadtests.accounts.summing import Accounts, figures_of

__all__ = ["Accounts", "figures_of"]
