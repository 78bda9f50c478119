"""Bank statements of a business date into the lake."""

from assets.intake import intake_asset, intake_checks
from cardops.contracts.kinds.bank_statements import BANK_STATEMENTS

bank_statements = intake_asset(BANK_STATEMENTS)
bank_statement_checks = intake_checks(BANK_STATEMENTS)
