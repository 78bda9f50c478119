"""The partitions that all assets share. Files are rows of the intake ledger, never partitions."""

from collections.abc import Sequence
from datetime import date
from typing import Final

import dagster as dg

from cardops.rules.errors import ExplainedError

# The first business date where nobody says another one. That of a home is set when the definitions are
# put together (orchestration.first_date): no date before it can be missing.
FIRST_BUSINESS_DATE: Final = date(2025, 1, 1)


def dates_from(first: date) -> dg.DailyPartitionsDefinition:
    """Business dates from this one until today, in UTC."""
    return dg.DailyPartitionsDefinition(start_date=first.isoformat(), end_offset=1)


class UnknownDateError(ExplainedError):
    """A run was asked for a business date that the home does not have, past the UI, which offers none."""

    def __init__(self, key: str, keys: Sequence[str]) -> None:
        known = f"go from {keys[0]} to {keys[-1]}" if keys else "have not begun"
        super().__init__(
            f"{key} is not a business date of this home, so nothing was done: its business dates {known} (UTC). "
            "Launch the run for one of these; a date before the first can be had with CARDOPS_FIRST_BUSINESS_DATE."
        )


def business_date_of(context: dg.AssetExecutionContext) -> date:
    """The business date that a run makes. Raises UnknownDateError.

    Dagster takes any text for the partition of a run. A close of a future date would be the newest for years, and
    everything after it would be compared from there.
    """
    key, dates = context.partition_key, context.assets_def.partitions_def
    if dates is not None and not _has(dates, key):
        raise UnknownDateError(key, dates.get_partition_keys())
    return date.fromisoformat(key)


def _has(dates: dg.PartitionsDefinition, key: str) -> bool:
    try:
        return dates.has_partition_key(key)
    except ValueError:
        return False  # not even the form of one


# All assets of one job need the same policy; a backfill starts one run for each date.
one_date_a_run: Final = dg.BackfillPolicy.multi_run(max_partitions_per_run=1)
business_dates: Final = dates_from(FIRST_BUSINESS_DATE)
batches: Final = dg.DynamicPartitionsDefinition(name="chargeback_batch")
# A size-balanced batch uses the same four keys as its slots; there is never a fifth.
networks: Final = dg.StaticPartitionsDefinition(["visa", "mastercard", "amex", "discover"])
batch_networks: Final = dg.MultiPartitionsDefinition({"batch": batches, "network": networks})
