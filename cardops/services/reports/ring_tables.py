"""Fraud rings on the daily report. Nothing here names a device, card, e-mail or IP address."""

from dataclasses import asdict
from typing import Final

from cardops.services.fraud.picture import LEGEND
from cardops.services.reports.amounts import each_priced
from cardops.services.reports.figures import ReportFigures
from cardops.services.reports.tables import Headings, Table, table_of

_ALL_RINGS: Final = 'cardops sql "select * from fct_fraud_rings"'
_RINGS: Final[Headings] = {
    "ring_id": "Ring", "program": "Program", "member_count": "Users", "shared": "They share",
    "transaction_count": "Transactions", "dispute_count": "Disputes", "cycle_count": "Cycles",
    "disputed": "Disputed", "known_since": "Known since", "changed": "Since the day before",
}  # fmt: skip
_SHARED: Final = {
    "device": "devices", "card_token": "card tokens", "email": "e-mail addresses",
    "ip_address": "IP addresses",
}  # fmt: skip


def rings_as_of(figures: ReportFigures) -> str:
    """Of when the rings are."""
    if figures.rings is None:
        return "No snapshot of rings until this date."
    return f"As of the snapshot of {figures.rings.as_of_on}, the last until the report's date."


def rings_table(figures: ReportFigures) -> Table:
    """The largest rings: what their members share, and what became of them since the snapshot before."""
    rings = figures.rings
    records = [
        asdict(ring)
        | {
            "shared": ", ".join(
                f"{_SHARED[kind]} {count:,}"
                for kind, count in ring.identifier_counts.items()
                if count
            ),
            "disputed": each_priced(ring.disputed_minor),
            "changed": ", ".join(
                text
                for text, is_so in (
                    ("new", ring.is_new),
                    (f"merged from {ring.merged_from}", ring.merged_from),
                    (f"split from {ring.split_from}", ring.split_from),
                    ("above the size of a ring", ring.is_oversized),
                )
                if is_so
            ),
        }
        for ring in (rings.rings if rings else ())
    ]
    note = ""
    if rings and records:
        more = rings.ring_count - len(records)
        shown = f"{more:,} more: {_ALL_RINGS} shows them. "
        note = f"{rings.ring_count:,} rings of {rings.member_count:,} users. {shown if more > 0 else ''}{LEGEND}"
    return table_of("rings", "The largest rings", records, _RINGS, note=note)
