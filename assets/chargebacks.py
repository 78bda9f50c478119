"""Chargeback files of a sealed batch into the lake."""

from assets.intake import intake_asset, intake_checks
from cardops.contracts.kinds.chargebacks import CHARGEBACKS

chargebacks = intake_asset(CHARGEBACKS)
chargeback_checks = intake_checks(CHARGEBACKS)
