"""The daily report: one HTML file a business date, readable offline."""

from collections.abc import Iterator
from typing import Any, Final

import dagster as dg

from assets.partitions import business_date_of, business_dates, one_date_a_run
from assets.tables import rate_metadata, table_metadata
from cardops.ports import (
    Acknowledgements,
    Breakers,
    Clock,
    DeliveryLedger,
    DisputeAlarms,
    ExpectedFiles,
    Incidents,
    IntakeLedger,
    Lake,
    MonitoringAlarms,
    Reports,
    RingSnapshots,
    SourceControls,
    WaitingList,
)
from cardops.rules.reports import CloseIncompleteError
from cardops.services.chargebacks.waiting_disputes import WaitingDisputes
from cardops.services.reports.amounts import each_priced
from cardops.services.reports.attention import needs_of
from cardops.services.reports.daily_report import (
    DailyReport,
    ReportSources,
    write_daily_report,
)
from cardops.services.reports.failed_parts import reasons_of
from cardops.services.reports.figures import ReportFigures, found_in
from cardops.services.reports.open_alarms import AlarmSources
from cardops.services.reports.operations import OperationSources

RUNBOOK: Final = "docs/runbooks/match-breaks.md"
MATCH_CHECK: Final = "authorizations_settlements_and_disputes_match"


@dg.asset(
    partitions_def=business_dates,
    backfill_policy=one_date_a_run,
    group_name="analytics",
    # Depends on the breaks, not on the verdict: a day that does not close must be reported too.
    deps=[
        "fct_daily_balances",
        "fct_daily_movements",
        "fct_authorizations",
        "fct_dispute_queue",
        "fct_disputes",
        "fct_fraud_rings",
        "fct_chargeback_rate_per_payment_method",
        "fct_payment_failure_daily",
        "fct_payment_failure_rate_per_payment_method",
        "fct_acknowledgements",
        "fct_safeguarding",
        "fct_waiting_disputes",
        "fct_reconciliation_breaks",
        "fct_three_way_match",
        "fct_match_breaks",
        "fct_monitoring_programmes",
        "fct_provisional_credits",
    ],
    # A warning: a settlement that is missing needs work at the processor, the books are right.
    check_specs=[dg.AssetCheckSpec(MATCH_CHECK, asset="daily_report")],
    kinds={"duckdb", "html"},
)
def daily_report(  # noqa: PLR0913, PLR0917 - Dagster binds each by its type
    context: dg.AssetExecutionContext,
    reports: dg.ResourceParam[Reports],
    delivery_ledger: dg.ResourceParam[DeliveryLedger],
    acknowledgement_ledger: dg.ResourceParam[Acknowledgements],
    intake_ledger: dg.ResourceParam[IntakeLedger],
    source_controls: dg.ResourceParam[SourceControls],
    expected_files: dg.ResourceParam[ExpectedFiles],
    waiting_list: dg.ResourceParam[WaitingList],
    ring_snapshots: dg.ResourceParam[RingSnapshots],
    dispute_alarms: dg.ResourceParam[DisputeAlarms],
    raised_monitoring_alarms: dg.ResourceParam[MonitoringAlarms],
    breakers: dg.ResourceParam[Breakers],
    incidents: dg.ResourceParam[Incidents],
    lake: dg.ResourceParam[Lake],
    clock: dg.ResourceParam[Clock],
) -> Iterator[Any]:
    """What needs a person, and the date's money, decisions, rates, disputes, files and books.

    Where a part of analytics failed, the report is made, says so, and then the run ends failed.
    """
    day = business_date_of(context)
    waiting = WaitingDisputes(intake_ledger, lake)
    operations = OperationSources(
        intake_ledger, source_controls, expected_files, waiting_list, delivery_ledger
    )
    sources = ReportSources(
        reports,
        delivery_ledger,
        acknowledgement_ledger,
        waiting,
        operations,
        ring_snapshots,
        AlarmSources(dispute_alarms, raised_monitoring_alarms, breakers, incidents),
    )
    report = write_daily_report(day, sources, clock.now())
    yield _materialized(report, reports.page_url(day))
    if reasons := reasons_of(report.figures):
        raise CloseIncompleteError(reasons)


def _materialized(report: DailyReport, url: str) -> dg.MaterializeResult:  # type: ignore[type-arg] # with checks Dagster takes no generic
    return dg.MaterializeResult(
        metadata={
            "needs_a_person": dg.MetadataValue.md(_needs(report)),
            "path": dg.MetadataValue.path(str(report.path)),
            "url": dg.MetadataValue.url(url),
            "edition": report.edition.number,
            "breaks": report.figures.break_count,
            "decisions": report.figures.decision_count,
            "permits": report.figures.permit_count,
            **rates_of(report.figures),
            "overdue_disputes": found_in(report.figures.overdue),
            "disputes_to_answer_in_7_days": found_in(report.figures.deadlines),
            "disputed_money_for_a_person": found_in(report.figures.provisional),
            "disputes_by_stage_and_days_left": dg.MetadataValue.md(
                _picture(report, "queue", "Disputes by stage and days left")
            ),
            "chargeback_files": table_metadata(report.figures.batch_files),
            "preview": dg.MetadataValue.md(
                _picture(report, "decisions", "Permits and rejects by hour")
            ),
        },
        check_results=[_match_check(report)],
    )


def rates_of(figures: ReportFigures) -> dict[str, dg.MetadataValue]:
    """Permits of decisions, disputes of settled transactions, failures of attempts: of every program."""
    settled, disputed = (
        figures.total("chargeback_rates", name)
        for name in ("settled_transaction_count", "disputed_transaction_count")
    )
    attempts, failed = (
        figures.total("failure_rates", name) for name in ("attempt_count", "failed_count")
    )
    return {
        **rate_metadata("permit_rate", figures.permit_count, figures.decision_count),
        **rate_metadata("dispute_rate", disputed, settled),
        **rate_metadata("payment_failure_rate", failed, attempts),
    }


def _match_check(report: DailyReport) -> dg.AssetCheckResult:
    counts = report.figures.match_breaks_by_kind
    return dg.AssetCheckResult(
        check_name=MATCH_CHECK,
        passed=not counts,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"breaks": sum(counts.values()), **counts, "runbook": RUNBOOK},
    )


def _picture(report: DailyReport, name: str, title: str) -> str:
    """One chart, so that the catalogue shows the shape of the day."""
    charts = report.charts.get(name)
    return f"![{title}]({charts[0].uri})" if charts else f"{title}: none on this date."


def _needs(report: DailyReport) -> str:
    """What the page says first, as a list."""
    lines = [
        f"- {'**Now:** ' if need.is_urgent else ''}{need.sentence} {each_priced(need.totals_minor)}"
        f" (runbook {need.runbook})"
        for need in needs_of(report.figures)
    ]
    return "\n".join(lines) or "Nothing needs a person today."
