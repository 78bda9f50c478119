"""Fraud rings: users who share devices, cards, e-mail or IP addresses, as a snapshot every night.

The asset has no partitions: a snapshot follows from all that has arrived and from the snapshot before it.
In the daily close it is of the date that is closed, else of today.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final

import dagster as dg
import polars as pl

from assets.failed_parts import is_reported, not_made
from assets.tables import money_metadata, records_metadata
from cardops.ports import Clock, Reports, RingSnapshots, RingSources
from cardops.services.fraud.figures import ListedRing, RingFigures, figures_of
from cardops.services.fraud.picture import LEGEND, DrawnRing, sheet_of
from cardops.services.fraud.rings import FraudRings

RUNBOOK: Final = "docs/runbooks/fraud-rings.md"
FAILURE_RUNBOOK: Final = "docs/runbooks/run-failure.md"
# Sentences that are true where they pass.
MADE: Final = "fraud_rings_are_of_the_date"
NONE_OVERSIZED: Final = "no_fraud_ring_is_larger_than_its_limit"


@dg.asset(
    group_name="analytics",
    deps=["transactions", "orders", "chargebacks"],
    check_specs=[
        dg.AssetCheckSpec(MADE, asset="fraud_rings"),
        dg.AssetCheckSpec(NONE_OVERSIZED, asset="fraud_rings"),
    ],
    kinds={"polars", "parquet"},
)
def fraud_rings(
    context: dg.AssetExecutionContext,
    ring_sources: dg.ResourceParam[RingSources],
    ring_snapshots: dg.ResourceParam[RingSnapshots],
    reports: dg.ResourceParam[Reports],
    clock: dg.ResourceParam[Clock],
) -> Iterator[Any]:
    """Rings with their members, what links them, money disputed, and what merged or split since.

    Where they cannot be made, the former snapshot stays, and the report of the date says so.
    """
    day = closed_date(context) or clock.now().date()
    try:
        tables = FraudRings(ring_sources, ring_snapshots).snapshot(day)
    except Exception as error:
        # Whatever it is: marts and report need none of these rings.
        reason = f"{type(error).__name__}: {error}"
        reports.record_failure(day, "fraud_rings", reason)
        if not is_reported(context):
            raise
        context.log.exception("Fraud rings could not be made; the close goes on without them.")
        yield from _failed_checks(day, reason)
        yield not_made("result")
        return
    reports.clear_failure(day, "fraud_rings")
    yield _materialized(day, tables)


def _materialized(day: date, tables: Mapping[str, pl.DataFrame]) -> dg.MaterializeResult:  # type: ignore[type-arg] # with checks Dagster takes no generic
    figures = figures_of(tables, day)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": figures.ring_count,
            "business_date": str(day),
            "row_counts": dg.MetadataValue.json(
                {table: frame.height for table, frame in tables.items()}
            ),
            "new_rings": figures.new_ring_count,
            "ended_rings": figures.ended_ring_count,
            "rings_with_cycles": figures.rings_with_cycles,
            "hubs": figures.hub_count,
            "disputed": money_metadata(figures.disputed_minor),
            "largest": records_metadata([_record(ring) for ring in figures.rings], "ring_id"),
            "picture": dg.MetadataValue.md(picture_of(figures.drawings)),
        },
        check_results=[
            dg.AssetCheckResult(check_name=MADE, passed=True, metadata={"business_date": str(day)}),
            _size_check(figures),
        ],
    )


def closed_date(context: dg.AssetExecutionContext) -> date | None:
    """The date of the run, where it is of one; the asset itself has no partitions."""
    key = context.run.tags.get("dagster/partition")
    return date.fromisoformat(key) if key else None


def picture_of(drawings: Sequence[DrawnRing]) -> str:
    """Markdown: the largest rings as one picture, and sentences that say the same without it."""
    if not drawings:
        return "No rings."
    image = base64.b64encode(sheet_of(drawings).encode()).decode()
    sentences = "\n".join(f"- {drawing.text}" for drawing in drawings)
    return f"![The largest rings](data:image/svg+xml;base64,{image})\n\n{LEGEND}\n\n{sentences}"


def _record(ring: ListedRing) -> dict[str, object]:
    return {
        "ring_id": ring.ring_id,
        "program": ring.program,
        "members": ring.member_count,
        "identifiers": sum(ring.identifier_counts.values()),
        "disputes": ring.dispute_count,
        "cycles": ring.cycle_count,
        "disputed_minor": ", ".join(
            f"{minor} {currency}" for currency, minor in ring.disputed_minor.items()
        ),
        "known_since": str(ring.known_since),
        "merged_from": ring.merged_from,
        "split_from": ring.split_from,
    }


def _failed_checks(day: date, reason: str) -> Iterator[dg.AssetCheckResult]:
    sentence = (
        f"Fraud rings of {day} could not be made: {reason}. The snapshot before it stays, and the marts and "
        "the daily report are made with it. Mend the cause and materialize fraud_rings again."
    )
    for name in (MADE, NONE_OVERSIZED):
        yield dg.AssetCheckResult(
            check_name=name,
            passed=False,
            description=sentence if name == MADE else "No rings of the date were made.",
            severity=dg.AssetCheckSeverity.ERROR if name == MADE else dg.AssetCheckSeverity.WARN,
            metadata={"business_date": str(day), "runbook": FAILURE_RUNBOOK},
        )


def _size_check(figures: RingFigures) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=NONE_OVERSIZED,
        passed=not figures.oversized_ring_count,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"rings": figures.oversized_ring_count, "runbook": RUNBOOK},
    )
