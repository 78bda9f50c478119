"""The example of docs/kpis.md: its payments and disputes as a lake, its results as rows of the marts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from tests.factories.lake_tables import DAY, rows_of
from tests.fakes.lake import FakeLake

PAGE: Final = Path(__file__).parents[2] / "docs" / "kpis.md"
# The tables of results in the order of the page: the mart, and which of its rows the table shows.
MARTS: Final[Mapping[str, str]] = {
    "fct_disputes_outside_rates": "",
    "fct_chargeback_rate_per_payment_method": "",
    "fct_chargeback_rate_monthly": "where payment_method = 'credit_card' and currency = 'USD'",
    "fct_payment_failure_rate_per_payment_method": "",
    "fct_dispute_outcomes": "",
    "fct_dispute_outcomes_monthly": "",
}
Record = dict[str, str]


@dataclass(frozen=True, slots=True)
class KpiExample:
    """`tables`: mart -> the query that shows it as the page does, and the page's rows as text."""

    lake: FakeLake
    tables: Mapping[str, tuple[str, list[tuple[object, ...]]]]
    interval: tuple[str, ...]


def kpi_example() -> KpiExample:
    """The example as the page has it today."""
    text = PAGE.read_text(encoding="utf-8").partition("## An example by hand")[2]
    payments, disputes, *results = (_records(table) for table in _tables(text))
    lake = FakeLake()
    lake.write("transactions", DAY, "1", rows_of("transactions", *map(_payment, payments)))
    lake.write("chargebacks", DAY, "2", rows_of("chargebacks", *map(_dispute, disputes)))
    shown = {
        mart: (_query(mart, shown, list(records[0])), [_values(record) for record in records])
        for (mart, shown), records in zip(MARTS.items(), results, strict=True)
    }
    return KpiExample(lake, shown, tuple(re.findall(r"from (0\.\d+) to (0\.\d+)\.", text)[0]))


def _tables(text: str) -> list[str]:
    return re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)


def _records(table: str) -> list[Record]:
    head, _, *lines = (
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()
    )
    return [dict(zip(head, line, strict=True)) for line in lines]


def _payment(record: Record) -> Mapping[str, object]:
    made_at = datetime.strptime(record["created_at"], "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    return {
        **{name: value or None for name, value in record.items()},
        "row_number": _number(record["transaction_id"]),
        "amount_minor": int(record["amount_minor"]),
        "created_at": made_at,
    }


def _dispute(record: Record) -> Mapping[str, object]:
    return {
        **record,
        "intake_id": 2,
        "row_number": _number(record["case_number"]),
        "dispute_amount_minor": int(record["dispute_amount_minor"]),
        "dispute_date": date.fromisoformat(record["dispute_date"]),
    }


def _number(identifier: str) -> int:
    return int(identifier.partition("-")[2])


def _query(mart: str, shown: str, columns: list[str]) -> str:
    texts = ", ".join(f"{column}::text" for column in columns)
    return f"select {texts} from marts.{mart} {shown} order by all"  # noqa: S608 - names of the page


def _values(record: Record) -> tuple[object, ...]:
    return tuple(value or None for value in record.values())
