"""Fraud that issuers reported, of a business date, into the lake."""

from assets.intake import intake_asset, intake_checks
from cardops.contracts.kinds.fraud_reports import FRAUD_REPORTS

fraud_reports = intake_asset(FRAUD_REPORTS)
fraud_report_checks = intake_checks(FRAUD_REPORTS)
