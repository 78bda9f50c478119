"""A chargeback batch adds up: rows read = rows in files + duplicates + quarantined rows.

Belongs here: the equation, in rows and in money by currency. Its two sides come from independent
sources: intake's own counts, and the bytes of the chargeback files.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cardops.rules.chargebacks.control_totals import ControlTotals
from cardops.rules.intake.files import FileOutcome, RowReason


@dataclass(frozen=True, slots=True)
class BatchAccount:
    """One batch, added up from two sources. `is_complete`: all its files were made."""

    read: int
    duplicate: int
    quarantined: int
    unroutable: int
    accepted_minor: Mapping[str, int]
    filed: int
    filed_minor: Mapping[str, int]
    unapplied_files: int = 0
    is_complete: bool = True
    damaged_files: tuple[str, ...] = field(default=())


def account_for(
    outcomes: Sequence[FileOutcome | None],
    filed: Sequence[ControlTotals],
    *,
    is_complete: bool = True,
    damaged_files: tuple[str, ...] = (),
) -> BatchAccount:
    """Intake's outcomes (None: an intake file not applied) and the control totals of the files."""
    applied = [outcome for outcome in outcomes if outcome is not None]
    return BatchAccount(
        read=sum(outcome.read for outcome in applied),
        duplicate=sum(outcome.duplicate for outcome in applied),
        quarantined=sum(outcome.quarantined for outcome in applied),
        unroutable=sum(outcome.reasons.get(RowReason.UNROUTABLE_NETWORK, 0) for outcome in applied),
        accepted_minor=_sums([outcome.totals_minor for outcome in applied]),
        filed=sum(totals.row_count for totals in filed),
        filed_minor=_sums([totals.totals_minor for totals in filed]),
        unapplied_files=len(outcomes) - len(applied),
        is_complete=is_complete,
        damaged_files=damaged_files,
    )


def accounting_breaks(account: BatchAccount) -> list[str]:
    """What does not add up, one sentence each; empty where every row and every unit is accounted for."""
    breaks = [f"{name} is damaged" for name in account.damaged_files]
    if account.unapplied_files:
        breaks.append(f"{account.unapplied_files} files of the batch are not applied")
    accepted = account.read - account.duplicate - account.quarantined
    if _differs(accepted, account.filed, is_complete=account.is_complete):
        breaks.append(f"{accepted} rows were accepted, {account.filed} are in files")
    for currency in sorted({*account.accepted_minor, *account.filed_minor}):
        accepted_minor = account.accepted_minor.get(currency, 0)
        filed_minor = account.filed_minor.get(currency, 0)
        if _differs(accepted_minor, filed_minor, is_complete=account.is_complete):
            breaks.append(
                f"{accepted_minor} minor units of {currency} were accepted, {filed_minor} are in "
                "files"
            )
    return breaks


def _differs(accepted: int, filed: int, *, is_complete: bool) -> bool:
    """Until the last file is made, fewer rows may be in files, but never more."""
    return filed != accepted if is_complete else filed > accepted


def _sums(totals: Sequence[Mapping[str, int]]) -> dict[str, int]:
    added: Counter[str] = Counter()
    for part in totals:
        added.update(part)
    return dict(added)
