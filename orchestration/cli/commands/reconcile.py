"""`cardops reconcile`: the books of a business date by every road. Loads no Dagster."""

from datetime import UTC, date, datetime
from typing import Annotated, Any, Final

import polars as pl
import typer

from cardops.adapters.object_stores.opening import open_store
from cardops.adapters.postgresql.connection import database
from cardops.adapters.postgresql.reconciliation.books import PostgresBooks
from cardops.adapters.warehouse.lake import ParquetLake
from cardops.contracts.lake.reconciliation import (
    BOOKS_COLUMNS,
    breaks_in,
    join_frames,
    store_sides,
    totals_by_currency,
)
from cardops.ports import Books, Lake
from cardops.rules.money import format_amount
from cardops.rules.reconciliation import LAKE_COMPARISONS, STORE_COMPARISONS
from cardops.services.reconciliation.lake_sources import (
    differing_accounts,
    exported_dates,
    file_breaks,
    is_closed_in_lake,
)
from cardops.settings import Settings
from orchestration.cli.output import DONE_WITH_FINDINGS, JsonOption, print_json, say

TOTALS: Final = ("deposits", "spends", "reversals", "balances")
MAX_BREAKS_SHOWN: Final = 20

app = typer.Typer()


@app.command()
def reconcile(
    *,
    business_date: Annotated[
        datetime | None,
        typer.Option("--date", formats=["%Y-%m-%d"], help="Business date; today unless given."),
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Compare the books of a business date by every road; exit 1 where there is a break.

    Balances with postings and holds in the store, deposit files with what was posted and with the
    lake, and, where the day's balances and log are in the lake, these with each other.
    """
    day = (business_date or datetime.now(UTC)).date()
    settings = Settings.load()
    lake = ParquetLake(open_store(settings.store_url("lake")), settings.home / "lake-mirror")
    with database(settings) as addresses:
        result, breaks = compare(PostgresBooks(addresses.url), lake, day)
    for row in breaks.head(MAX_BREAKS_SHOWN).iter_rows(named=True):
        say(_sentence(row))
    if json_output:
        print_json(result)
    else:
        typer.echo(_summary(result))
    if result["breaks"]:
        raise typer.Exit(DONE_WITH_FINDINGS)


def compare(books: Books, lake: Lake, day: date) -> tuple[dict[str, Any], pl.DataFrame]:
    """What is printed, and the breaks."""
    accounts = join_frames(books.accounts(day), BOOKS_COLUMNS)
    found = [
        breaks_in(store_sides(accounts), STORE_COMPARISONS),
        file_breaks(books, lake, day),
    ]
    if is_closed_in_lake(lake, day) and day in exported_dates(lake):
        found.append(breaks_in(differing_accounts(lake, day), LAKE_COMPARISONS))
    else:
        say(f"The lake has no closing balances and log of {day} yet; compared without them.")
    breaks = pl.concat(found)
    return _result(day, accounts, breaks), breaks


def _result(day: date, accounts: pl.DataFrame, breaks: pl.DataFrame) -> dict[str, Any]:
    totals = totals_by_currency(accounts).to_dicts()
    return {
        "business_date": day.isoformat(),
        "accounts": accounts.height,
        "breaks": breaks.height,
        **{name: {row["currency"]: row[name] for row in totals} for name in TOTALS},
    }


def _sentence(row: dict[str, Any]) -> str:
    whose = f"user {row['user_id']}" if row["user_id"] else "deposit files"
    a, b = (format_amount(row[f"amount_{side}_minor"], row["currency"]) for side in "ab")
    return (
        f"Break: program {row['program']}, {whose}: {row['side_a']} says {a} {row['currency']}, "
        f"{row['side_b']} says {b} {row['currency']}."
    )


def _summary(result: dict[str, Any]) -> str:
    day, accounts, breaks = result["business_date"], result["accounts"], result["breaks"]
    lines = [f"Business date {day}: {accounts} account(s), {breaks} break(s)."]
    for currency, minor in result["balances"].items():
        parts = ", ".join(
            f"{name} {format_amount(result[name][currency], currency)}" for name in TOTALS[:-1]
        )
        lines.append(f"{currency}: {parts}; balances {format_amount(minor, currency)}")
    return "\n".join(lines)
