"""What can go wrong with a report of the marts, and what its figures are held against."""

from decimal import Decimal
from typing import Final

from cardops.rules.errors import ExplainedError

# From this rate of disputed payments on, per merchant and month, card companies act: Mastercard's
# Excessive Chargeback Merchant (with 100 cases), and Visa's VAMP for an excessive merchant since 2026-04-01.
WATCHED_CHARGEBACK_RATE: Final = Decimal("0.015")


class NothingBuiltError(ExplainedError, RuntimeError):
    """No marts were built or published yet; the message says what to run."""
