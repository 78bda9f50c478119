"""What the daily report says: small frames of figures, without pictures or HTML.

Amounts are integers in minor units; cardops.services.reports.page makes decimals of them, once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from cardops.services.fraud.figures import RingFigures
from cardops.services.reports.open_alarms import OpenAlarm
from cardops.services.reports.operations import Operations

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class ReportFigures:
    """Everything on one day's page, most parts a frame. Their columns are in the port Reports.

    `rings`: None where none were ever looked for.
    """

    business_date: date
    operations: Operations
    rings: RingFigures | None
    alarms: Sequence[OpenAlarm]
    decisions: "pd.DataFrame"
    decisions_by_hour: "pd.DataFrame"
    reject_reasons: "pd.DataFrame"
    money: "pd.DataFrame"
    money_by_day: "pd.DataFrame"
    balances: "pd.DataFrame"
    balance_history: "pd.DataFrame"
    failure_rates: "pd.DataFrame"
    failure_days: "pd.DataFrame"
    failure_codes: "pd.DataFrame"
    chargeback_rates: "pd.DataFrame"
    monitoring: "pd.DataFrame"
    monitoring_levels: "pd.DataFrame"
    monitoring_gaps: "pd.DataFrame"
    disputes: "pd.DataFrame"
    queue: "pd.DataFrame"
    deadlines: "pd.DataFrame"
    overdue: "pd.DataFrame"
    waiting: "pd.DataFrame"
    provisional: "pd.DataFrame"
    provisional_totals: "pd.DataFrame"
    batch_files: "pd.DataFrame"
    acknowledgements: "pd.DataFrame"
    breaks: "pd.DataFrame"
    break_totals: "pd.DataFrame"
    safeguarding: "pd.DataFrame"
    matches: "pd.DataFrame"
    match_breaks: "pd.DataFrame"
    failed_tests: "pd.DataFrame"
    failed_parts: "pd.DataFrame"
    freshness: "pd.DataFrame"
    state_dates: "pd.DataFrame"

    @property
    def is_closed(self) -> bool:
        """Whether the date was closed: without closing balances no books were compared."""
        return not self.balances.empty

    @property
    def decision_count(self) -> int:
        """All decisions of the date."""
        return int(self.decisions["decision_count"].sum())

    @property
    def permit_count(self) -> int:
        """Those of them that permitted."""
        permits = self.decisions["status"] == "PERMIT"
        return int(self.decisions.loc[permits, "decision_count"].sum())

    @property
    def break_count(self) -> int:
        """Reconciliation breaks of the date, also those that the page does not list."""
        return int(self.break_totals["breaks"].sum())

    def total(self, part: str, column: str) -> int:
        """The sum of a column of counts of that part."""
        frame: pd.DataFrame = getattr(self, part)
        return int(frame[column].sum())

    @property
    def match_breaks_by_kind(self) -> dict[str, int]:
        """Breaks between authorizations, settlements and disputes; they do not open the books."""
        counts = self.match_breaks.groupby("kind")["breaks"].sum()
        return {str(kind): int(count) for kind, count in counts.items()}

    def state_date(self, subject: str) -> date | None:
        """Of which date the newest state of a subject is; None where nothing is known of it."""
        for record in records_of(self.state_dates):
            if record["subject"] == subject:
                found: date | None = record["as_of"]
                return found
        return None


def records_of(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """The frame's rows by column; a missing value is None."""
    return [
        {str(name): None if _is_missing(value) else value for name, value in record.items()}
        for record in frame.to_dict("records")
    ]


def totals_by_currency(
    records: list[dict[str, Any]], amount: str = "minor", currency: str = "currency"
) -> Mapping[str, int]:
    """Sums of an amount, each currency by itself."""
    totals = dict[str, int]()
    for record in records:
        if record[currency] and record[amount] is not None:
            totals[record[currency]] = totals.get(record[currency], 0) + int(record[amount])
    return totals


def found_in(frame: "pd.DataFrame") -> int:
    """How many cases a list has, including those that are not on the page."""
    return int(frame["found"].iloc[0]) if len(frame) else 0


def _is_missing(value: object) -> bool:
    return value is None or str(value) in {"<NA>", "NaT", "nan"}
