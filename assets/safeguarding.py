"""The safeguarding figure: money at the bank = money owed to users, a date after the books.

A bank sends a date's statement on the next date, so the close of a business date compares the one
before it.
"""

from datetime import timedelta
from typing import Final

import dagster as dg

from assets.partitions import business_date_of, business_dates, one_date_a_run
from assets.tables import table_metadata
from cardops.ports import Clock, Lake, SafeguardingAccounts
from cardops.rules.bank.safeguarding import SafeguardingCheck
from cardops.services.bank.safeguarding import SafeguardingService, breaks_of

STATEMENT_DELAY: Final = timedelta(days=1)
RUNBOOK: Final = "docs/runbooks/safeguarding.md"


@dg.asset(
    partitions_def=business_dates,
    backfill_policy=one_date_a_run,
    group_name="control",
    deps=["balances"],
    check_specs=[
        dg.AssetCheckSpec(check.value, asset="safeguarding") for check in SafeguardingCheck
    ],
    kinds={"parquet"},
)
def safeguarding(
    context: dg.AssetExecutionContext,
    safeguarding_accounts: dg.ResourceParam[SafeguardingAccounts],
    lake: dg.ResourceParam[Lake],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult:  # type: ignore[type-arg] # with checks Dagster takes no generic
    """Closing balances of safeguarding accounts against users' balances, by program and currency."""
    compared_on = business_date_of(context) - STATEMENT_DELAY
    service = SafeguardingService(safeguarding_accounts, lake)
    figures = service.record(compared_on, clock.now().date())
    return dg.MaterializeResult(
        metadata={
            "compared_on": str(compared_on),
            "figures": table_metadata(figures.to_pandas()),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=check.value,
                passed=breaks_of(figures, check).is_empty(),
                metadata={"compared_on": str(compared_on), "runbook": RUNBOOK},
            )
            for check in SafeguardingCheck
        ],
    )
