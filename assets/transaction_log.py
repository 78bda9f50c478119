"""The check of the transaction log, which is made together with the balances of its date (assets.balances)."""

from datetime import date

import dagster as dg

from assets.balances import LOG
from cardops.ports import Lake
from cardops.services.reconciliation.log_export import count_events


@dg.asset_check(asset=LOG, blocking=True)
def each_event_is_in_the_transaction_log_once(
    context: dg.AssetCheckExecutionContext,
    lake: dg.ResourceParam[Lake],
) -> dg.AssetCheckResult:
    """No event of the date is in the lake twice, however often the date was exported."""
    counts = count_events(date.fromisoformat(context.partition_key), lake)
    if counts is None:
        return dg.AssetCheckResult(passed=False, metadata={"business_date": context.partition_key})
    return dg.AssetCheckResult(
        passed=counts.rows == counts.distinct_events,
        metadata={
            "business_date": context.partition_key,
            "rows": counts.rows,
            "distinct_events": counts.distinct_events,
        },
    )
