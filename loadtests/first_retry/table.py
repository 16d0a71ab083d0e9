"""The accounts as a person reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadtests.first_retry.policies import REDRIVE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadtests.first_retry.figures import Account, Figures, Share

HEAD: Final = (
    f"  {'kind':<13}{'failed':>7}{'released':>9}{'1st well':>9}{'never rel.':>11}{'recovered':>10}"
    f"{'wait p50':>9}{'wait p95':>9}{'twice':>6}{'into':>7}{'probes':>7}"
)
LEGEND: Final = (
    "1st well: first retries that succeeded; never rel.: never released; wait: minutes of the world between the end of "
    "the trouble and the success; twice: runs that succeeded again; into: retries sent while the trouble held; "
    "unexplained: the first run failed, and the provider's log has no trouble for it"
)
# What a figure of Redrive owes to the benchmark, and not to Redrive.
ORACLE: Final = (
    "redrive probes the provider's own /health, which knows at once and for certain what /call would answer: an oracle "
    "that nobody else asks; where a health check lags or answers well in an outage, fewer first retries succeed"
)
ALONE: Final = "redrive's arm ran alone, the others side by side on the same machine: waits compare among those only"


def told(account: Account) -> str:
    """Write one contestant's account."""
    name = f"{account.contestant}: {account.settings}"
    rows = [_row(each) for each in (*account.rows, account.total) if each.failed or each.kind == "sum"]
    lines = [name, HEAD, *rows]
    lines.append(f"  first retries well: {_share(account.of_recoverable)} of the recoverable, ")
    lines[-1] += f"{_share(account.of_released)} of all released"
    lines.append(
        f"  never released though recoverable: {account.never_released_though_recoverable}; "
        f"never released, and never to succeed: {account.permanent_never_released}"
    )
    lines += [f"  DISAGREEMENT: {each}" for each in account.disagreements]
    return "\n".join(lines)


def compared(accounts: Sequence[Account]) -> str:
    """Write what they come to side by side; `ran` is how many shared the machine."""
    others = sum(each.contestant != REDRIVE for each in accounts)
    head = f"{'':<18}{'ran':>9}{'1st of recoverable':>20}{'1st of released':>17}{'never rel.':>11}"
    head += f"{'recovered':>10}{'into':>7}"
    rows = [
        f"{each.contestant:<18}{_ran(each, others):>9}{_percent(each.of_recoverable):>20}"
        f"{_percent(each.of_released):>17}{each.never_released_though_recoverable:>11}{each.total.recovered:>10}{each.total.into:>7}"
        for each in accounts
    ]
    return "\n".join([head, *rows])


def _ran(each: Account, others: int) -> str:
    return "alone" if each.contestant == REDRIVE or others == 1 else f"one of {others}"


def _row(each: Figures) -> str:
    return (
        f"  {each.kind:<13}{each.failed:>7}{each.released:>9}{each.first_succeeded:>9}{each.never_released:>11}"
        f"{each.recovered:>10}{_number(each.wait_p50):>9}{_number(each.wait_p95):>9}{each.duplicates:>6}{each.into:>7}"
        f"{each.probes:>7}"
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _percent(share: Share) -> str:
    return "-" if share.share is None else f"{share.share:.1%}"


def _share(share: Share) -> str:
    if share.share is None or share.low is None or share.high is None:
        return f"{share.count} of {share.of}"
    return f"{share.count} of {share.of} = {share.share:.1%} ({share.low:.1%} to {share.high:.1%})"
