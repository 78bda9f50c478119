"""A program that gives nothing back."""

from collections.abc import Mapping, Sequence
from typing import Any

from cardops.rules.chargebacks.disputes import DisputeKey


class NoCredits:
    """A ledger of provisional credits without any."""

    def records(self, disputes: Sequence[DisputeKey]) -> Mapping[DisputeKey, Any]:
        return {}

    def entries(self, program: str, transaction_ids: Sequence[str]) -> Mapping[str, Any]:
        return {}
