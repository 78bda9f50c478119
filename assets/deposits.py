"""Deposit files of a business date into accounts and the lake."""

from datetime import date

import dagster as dg
import polars as pl

from assets.intake import intake_asset, intake_checks
from cardops.contracts.kinds.deposits import DEPOSITS
from cardops.ports import Lake
from cardops.services.intake.applying import CreditDeposits

deposits = intake_asset(DEPOSITS, applier=CreditDeposits)
deposit_checks = intake_checks(DEPOSITS)


@dg.asset_check(asset=deposits, blocking=True)
def no_deposit_is_credited_twice(
    context: dg.AssetCheckExecutionContext, lake: dg.ResourceParam[Lake]
) -> dg.AssetCheckResult:
    """No deposit of the date is in the lake twice, on that date or any other."""
    repeated = repeated_deposits(lake, date.fromisoformat(context.partition_key))
    return dg.AssetCheckResult(
        passed=repeated.is_empty(),
        metadata={
            "business_date": context.partition_key,
            "repeated": repeated.height,
            "examples": repeated.head(10)["deposit_id"].to_list(),
        },
    )


def repeated_deposits(lake: Lake, business_date: date) -> pl.DataFrame:
    """`program`, `deposit_id` and `len` of deposits that are in the lake more than once."""
    key = ["program", "deposit_id"]
    day, ever = lake.scan("deposits", [business_date]), lake.scan("deposits")
    if day is None or ever is None:
        return pl.DataFrame(schema=dict.fromkeys([*key, "len"], pl.String()))
    counts = ever.join(day.select(key), on=key, how="semi").group_by(key).agg(pl.len())
    return counts.filter(pl.col("len") > 1).sort(key).collect()
