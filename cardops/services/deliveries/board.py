"""Which batch went to which card company, and how far each file has come: the newest batches at a glance.

Belongs here: what an operator reads off a table of batches and networks. How it is drawn is said where it
is shown.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from cardops.ports import Acknowledgements, DeliveryLedger, IntakeLedger
from cardops.rules.chargebacks.routing import NETWORKS
from cardops.rules.deliveries.acknowledgements import Standing, Verdict, standing
from cardops.rules.deliveries.progress import FileProgress, Progress, progress_of
from cardops.rules.deliveries.records import DeliveryState
from cardops.rules.intake.files import Kind

MAX_BATCHES: Final = 14
# Batches of these last days are shown though no file of theirs was made.
DAYS_WITHOUT_FILES: Final = 2
UNDELIVERED_STATES: Final = tuple(
    state.value for state in DeliveryState if state is not DeliveryState.DELIVERED
)
_CHARGEBACKS: Final = Kind("chargebacks")


@dataclass(frozen=True, slots=True)
class BoardRow:
    """One batch: the progress of each of its four files."""

    batch_id: str
    files: Mapping[str, FileProgress]


@dataclass(frozen=True, slots=True)
class DeliveryBoard:
    """The ledgers that know of batches, files and acknowledgements."""

    delivery_ledger: DeliveryLedger
    acknowledgements: Acknowledgements
    intake_ledger: IntakeLedger

    def rows(self, now: datetime, batches: int = MAX_BATCHES) -> list[BoardRow]:
        """The newest batches, newest first, then each older one with a file that is not delivered."""
        newest = self.delivery_ledger.all(newest=batches * len(NETWORKS))
        undelivered = self.delivery_ledger.all(UNDELIVERED_STATES)
        made = dict.fromkeys(record.batch_id for record in newest)
        unmade = [name for name in self._claimed(now.date()) if name not in made]
        older = (record.batch_id for record in undelivered)
        shown = list(dict.fromkeys([*[*unmade, *made][:batches], *older]))
        answers = standing(self.acknowledgements.of_batches(sorted(shown)))
        missing = {
            (rows.batch_id, rows.network)
            for rows in self.acknowledgements.verdicts(now, now)
            if rows.verdict is Verdict.MISSING
        }
        return [self._row(batch_id, answers, missing) for batch_id in shown]

    def _row(
        self, batch_id: str, answers: Standing, missing: Collection[tuple[str, str]]
    ) -> BoardRow:
        records = {record.network: record for record in self.delivery_ledger.files_of(batch_id)}
        without = FileProgress(Progress.NO_FILE if records else Progress.NOT_MADE)
        files = {
            network: progress_of(
                records[network],
                answers.get((batch_id, network)),
                is_unanswered=(batch_id, network) in missing,
            )
            if network in records
            else without
            for network in NETWORKS
        }
        return BoardRow(batch_id, files)

    def _claimed(self, today: date) -> list[str]:
        """Batches claimed on the last days that took rows in, newest first."""
        days = [today - timedelta(days=number) for number in range(DAYS_WITHOUT_FILES)]
        files = [file for day in days for file in self.intake_ledger.claimed_on(_CHARGEBACKS, day)]
        named = (
            file.batch_id
            for file in sorted(files, key=lambda file: -file.intake_id)
            if file.batch_id and file.outcome and file.outcome.accepted
        )
        return list(dict.fromkeys(named))
