"""The partitions that all assets share. Files are rows of the intake ledger, never partitions."""

from datetime import date
from typing import Final

import dagster as dg

# The first business date where nobody says another one. That of a home is set when the definitions are
# put together (orchestration.first_date): no date before it can be missing.
FIRST_BUSINESS_DATE: Final = date(2025, 1, 1)


def dates_from(first: date) -> dg.DailyPartitionsDefinition:
    """Business dates from this one until today, in UTC."""
    return dg.DailyPartitionsDefinition(start_date=first.isoformat(), end_offset=1)


# All assets of one job need the same policy; a backfill starts one run for each date.
one_date_a_run: Final = dg.BackfillPolicy.multi_run(max_partitions_per_run=1)
business_dates: Final = dates_from(FIRST_BUSINESS_DATE)
batches: Final = dg.DynamicPartitionsDefinition(name="chargeback_batch")
# A size-balanced batch uses the same four keys as its slots; there is never a fifth.
networks: Final = dg.StaticPartitionsDefinition(["visa", "mastercard", "amex", "discover"])
batch_networks: Final = dg.MultiPartitionsDefinition({"batch": batches, "network": networks})
