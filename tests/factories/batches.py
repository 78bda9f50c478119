"""A sealed chargeback batch: claimed and applied in the intake ledger, its rows in the lake."""

from collections.abc import Sequence
from datetime import date

from cardops.ports import IntakeLedger, Lake
from cardops.rules.intake.files import Arrival, ChargebackBatch, FileOutcome, Kind
from tests.factories.chargebacks import lake_frame
from tests.oracles.chargeback_files import Chargeback

BUSINESS_DATE = date(2026, 11, 20)


def an_arrival(key: str = "incoming/chargebacks/a.csv", program: str = "default") -> Arrival:
    return Arrival(Kind("chargebacks"), program, "memory://raw", key, "v1", key.ljust(64, "0"), 10)


def a_sealed_batch(
    intake_ledger: IntakeLedger,
    lake: Lake,
    rows: Sequence[Chargeback],
    *,
    mode: str = "by_network",
    quarantined: int = 0,
    key: str = "incoming/chargebacks/a.csv",
) -> ChargebackBatch:
    """One file of these rows, `quarantined` more of which were unroutable."""
    batch = intake_ledger.claim_batch([an_arrival(key)], BUSINESS_DATE, mode=mode)
    assert batch is not None
    (claimed,) = batch.files
    lake.write(
        "chargebacks",
        BUSINESS_DATE,
        f"{claimed.intake_id:012d}",
        lake_frame(rows, batch_id=batch.batch_id, intake_id=claimed.intake_id),
    )
    totals: dict[str, int] = {}
    for row in rows:
        totals[row.dispute_currency] = (
            totals.get(row.dispute_currency, 0) + row.dispute_amount_minor
        )
    outcome = FileOutcome(
        read=len(rows) + quarantined,
        accepted=len(rows),
        quarantined=quarantined,
        reasons={"unroutable_network": quarantined} if quarantined else {},
        totals_minor=totals,
    )
    intake_ledger.begin(claimed.intake_id)
    intake_ledger.finish(claimed.intake_id, outcome)
    return intake_ledger.batch(batch.batch_id)
