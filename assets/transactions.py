"""Transaction files of a business date into the lake."""

from assets.intake import intake_asset, intake_checks
from cardops.contracts.kinds.transactions import TRANSACTIONS

transactions = intake_asset(TRANSACTIONS)
transaction_checks = intake_checks(TRANSACTIONS)
