"""What the daily report says: small frames of figures, without pictures or HTML.

Amounts are integers in minor units; cardops.services.reports.page makes decimals of them, once.
"""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class ReportFigures:
    """Everything on one day's page, each part a frame. Their columns are in the port Reports."""

    business_date: date
    decisions: "pd.DataFrame"
    decisions_by_hour: "pd.DataFrame"
    reject_reasons: "pd.DataFrame"
    movements: "pd.DataFrame"
    balances: "pd.DataFrame"
    balance_history: "pd.DataFrame"
    failure_rates: "pd.DataFrame"
    chargeback_rates: "pd.DataFrame"
    disputes: "pd.DataFrame"
    queue: "pd.DataFrame"
    deadlines: "pd.DataFrame"
    overdue: "pd.DataFrame"
    waiting: "pd.DataFrame"
    provisional: "pd.DataFrame"
    batch_files: "pd.DataFrame"
    breaks: "pd.DataFrame"
    matches: "pd.DataFrame"
    match_breaks: "pd.DataFrame"
    freshness: "pd.DataFrame"

    @property
    def is_closed(self) -> bool:
        """Whether the date was closed: without closing balances no books were compared."""
        return not self.balances.empty

    @property
    def decision_count(self) -> int:
        """All decisions of the date."""
        return int(self.decisions["count"].sum())

    @property
    def permit_count(self) -> int:
        """Those of them that permitted."""
        return int(self.decisions.loc[self.decisions["status"] == "PERMIT", "count"].sum())

    @property
    def match_breaks_by_kind(self) -> dict[str, int]:
        """Breaks between authorizations, settlements and disputes; they do not open the books."""
        counts = self.match_breaks.groupby("kind")["breaks"].sum()
        return {str(kind): int(count) for kind, count in counts.items()}
