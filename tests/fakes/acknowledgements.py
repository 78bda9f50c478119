"""Acknowledgements on record, by hand."""

from collections.abc import Sequence
from dataclasses import dataclass

from cardops.rules.deliveries.acknowledgements import StoredAcknowledgement


@dataclass
class FakeAcknowledgements:
    """What readers ask for."""

    stored: Sequence[StoredAcknowledgement] = ()

    def of_batches(self, batch_ids: Sequence[str]) -> Sequence[StoredAcknowledgement]:
        return [stored for stored in self.stored if stored.batch_id in set(batch_ids)]
