"""The partitions that all assets share. Files are rows of the intake ledger, never partitions."""

from typing import Final

import dagster as dg

# The first business date that can be run or backfilled.
FIRST_BUSINESS_DATE: Final = "2025-01-01"

# All assets of one job need the same policy; a backfill starts one run for each date.
one_date_a_run: Final = dg.BackfillPolicy.multi_run(max_partitions_per_run=1)
business_dates: Final = dg.DailyPartitionsDefinition(start_date=FIRST_BUSINESS_DATE, end_offset=1)
batches: Final = dg.DynamicPartitionsDefinition(name="chargeback_batch")
# A size-balanced batch uses the same four keys as its slots; there is never a fifth.
networks: Final = dg.StaticPartitionsDefinition(["visa", "mastercard", "amex", "discover"])
batch_networks: Final = dg.MultiPartitionsDefinition({"batch": batches, "network": networks})
