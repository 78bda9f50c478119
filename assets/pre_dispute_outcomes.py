"""Outcomes of pre-dispute alerts of a business date into the lake."""

from assets.intake import intake_asset, intake_checks
from cardops.contracts.kinds.pre_dispute_outcomes import PRE_DISPUTE_OUTCOMES

pre_dispute_outcomes = intake_asset(PRE_DISPUTE_OUTCOMES)
pre_dispute_outcome_checks = intake_checks(PRE_DISPUTE_OUTCOMES)
