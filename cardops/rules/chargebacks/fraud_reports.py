"""Fraud that issuers report to their card company, and alerts that come before a dispute.

Belongs here: which network a source or a service speaks for, which outcomes prevent a dispute, and
the id of a report that has none. What monitoring programmes count of it is in dbt.
"""

import hashlib
from functools import cache
from typing import Final

from cardops.rules.data_tables import read_table

# Visa's TC40 and Mastercard's SAFE are each one network's; other sources name theirs.
NETWORK_OF_SOURCE: Final = {"tc40": "visa", "safe": "mastercard", "other": None}
# RDR and Order Insight run in Visa's own systems; CDRN and Ethoca serve several networks.
NETWORK_OF_SERVICE: Final = {
    "rdr": "visa",
    "cdrn": None,
    "ethoca": None,
    "order_insight": "visa",
    "other": None,
}


@cache
def pre_dispute_outcomes() -> dict[str, bool]:
    """Outcome of an alert -> whether no dispute follows it."""
    rows = read_table("alert_outcomes")
    return {row["outcome"]: row["prevents_dispute"] == "yes" for row in rows}


def derived_report_id(source: str, payment: str) -> str:
    """The id of a report without one: an issuer reports a payment once; later it changes the report.

    `payment`: the transaction's id, else its acquirer reference number.
    """
    identity = f"{source}\x1f{payment}"
    return f"F-{hashlib.sha256(identity.encode()).hexdigest()[:20]}"
