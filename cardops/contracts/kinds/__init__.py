"""Kinds of input files, one module each: its row model, its lake table and its profile.

A new kind is a name here and a module of that name, with its profile as a constant: DEPOSITS in
`deposits`. Nothing else asks which kind a file is. This module imports nothing heavy, so that
commands can name the kinds in their help.
"""

from typing import Final

KIND_NAMES: Final = (
    "deposits",
    "transactions",
    "orders",
    "chargebacks",
    "bank_statements",
    "fraud_reports",
    "pre_dispute_outcomes",
)
