"""Named importers of fraud reports. What their columns mean is in the processor's module."""

from typing import Final

from cardops.contracts.importers import tabapay
from cardops.contracts.importers.importers import Importer

FRAUD_REPORTS: Final = (
    Importer(
        "tabapay-reported-fraud",
        "TabaPay Reported Fraud (Daily)",
        tabapay.HEADER,
        tabapay.columns(),
    ),
)
