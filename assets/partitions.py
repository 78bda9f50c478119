"""The partitions every asset shares. Files are rows of the intake ledger, never partitions."""

from typing import Final

import dagster as dg

# The first business date that can be run or backfilled.
FIRST_BUSINESS_DATE: Final = "2025-01-01"

# Assets of one job must agree on it; a backfill of many dates is one run a date.
one_date_a_run: Final = dg.BackfillPolicy.multi_run(max_partitions_per_run=1)
business_dates: Final = dg.DailyPartitionsDefinition(start_date=FIRST_BUSINESS_DATE, end_offset=1)
batches: Final = dg.DynamicPartitionsDefinition(name="chargeback_batch")
# The same four keys are the slots of a size-balanced batch; there is never a fifth.
networks: Final = dg.StaticPartitionsDefinition(["visa", "mastercard", "amex", "discover"])
batch_networks: Final = dg.MultiPartitionsDefinition({"batch": batches, "network": networks})
