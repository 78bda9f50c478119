"""One name for each payment method and provider, whatever a report calls it.

Belongs here: reading `data/payment_names.csv`. The marts join the same file (macro named_text in
dbt_project/macros/normalized_text.sql); a test compares both.
"""

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Final

from cardops.rules.data_tables import read_table

UNKNOWN: Final = "unknown"


class Subject(StrEnum):
    """What a text is about."""

    PAYMENT_METHOD = "payment_method"
    PROVIDER = "provider"


def payment_name(subject: Subject, text: str | None) -> str:
    """`Credit Card`, `cc` -> `credit_card`; `unknown` without a text; else as it is normalized."""
    normalized = (text or "").strip().lower().replace(" ", "_").replace("-", "_")
    return _names(subject).get(normalized, normalized) or UNKNOWN


@cache
def _names(subject: Subject) -> Mapping[str, str]:
    rows = read_table("payment_names")
    return MappingProxyType(
        {row["spelling"]: row["name"] for row in rows if row["subject"] == subject}
    )
