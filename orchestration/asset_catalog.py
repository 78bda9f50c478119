"""The assets and checks of the code location, listed by module; nothing is found by scanning."""

from types import ModuleType
from typing import cast

import dagster as dg

from assets import (
    acknowledged_files,
    acknowledgements,
    alarms,
    balances,
    bank_statements,
    callback_archive,
    chargeback_deliveries,
    chargeback_files,
    chargebacks,
    daily_closes,
    deposits,
    dispute_records,
    file_deliveries,
    fraud_reports,
    fraud_rings,
    iceberg_tables,
    orders,
    pre_dispute_outcomes,
    provisional_credits,
    quarantined_rows,
    reconciliation,
    recovery_drill,
    run_history,
    safeguarding,
    transactions,
    unclaimed_files,
    waiting_disputes,
)
from assets import daily_report as report
from assets import monitoring_alarms as monitoring
from assets import transaction_log as log
from assets.source_tests import source_tests
from cardops.bootstrap import dbt_manifest

MODULES: tuple[ModuleType, ...] = (
    deposits,
    transactions,
    orders,
    chargebacks,
    bank_statements,
    fraud_reports,
    pre_dispute_outcomes,
    balances,
    log,
    reconciliation,
    safeguarding,
    provisional_credits,
    callback_archive,
    chargeback_files,
    chargeback_deliveries,
    acknowledgements,
    acknowledged_files,
    waiting_disputes,
    dispute_records,
    file_deliveries,
    quarantined_rows,
    fraud_rings,
    unclaimed_files,
    recovery_drill,
    run_history,
    alarms,
    daily_closes,
)


def assets_of(*, with_dbt: bool) -> list[dg.AssetsDefinition]:
    """The assets; without dbt only those that intake and delivery need, in half the loading time."""
    found = cast("list[dg.AssetsDefinition]", dg.load_assets_from_modules(MODULES))
    if not with_dbt:
        return found
    from assets.marts import marts_assets  # noqa: PLC0415 - dagster_dbt costs a second

    watched = [report.daily_report, monitoring.monitoring_alarms]
    return [
        *found,
        *marts_assets(dbt_manifest()),
        *watched,
        iceberg_tables.iceberg_tables,
    ]


def described(assets: list[dg.AssetsDefinition], *, with_dbt: bool) -> list[dg.AssetsDefinition]:
    """The assets with the columns of their tables, which dbt declares; without dbt, as they are."""
    if not with_dbt:
        return assets
    from orchestration.asset_columns import with_columns  # noqa: PLC0415 - only a UI shows them

    return with_columns(assets, dbt_manifest())


def checks() -> list[dg.AssetChecksDefinition]:
    """The asset checks of the same modules."""
    return list(dg.load_asset_checks_from_modules(MODULES))


def source_checks(*, with_dbt: bool) -> list[dg.AssetChecksDefinition]:
    """What a dbt build checks of the assets that it reads; without dbt, nothing."""
    return [source_tests(dbt_manifest())] if with_dbt else []
