"""Acknowledgements on record, by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cardops.rules.deliveries.acknowledgements import AcknowledgedRows, StoredAcknowledgement


@dataclass
class FakeAcknowledgements:
    """What readers ask for."""

    stored: Sequence[StoredAcknowledgement] = ()
    missing: Sequence[AcknowledgedRows] = ()

    def of_batches(self, batch_ids: Sequence[str]) -> Sequence[StoredAcknowledgement]:
        return [stored for stored in self.stored if stored.batch_id in set(batch_ids)]

    def verdicts(self, _first: datetime, _end: datetime) -> Sequence[AcknowledgedRows]:
        return self.missing
