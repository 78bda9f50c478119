"""`cardops reconcile`: compare the books of a business date. Loads no Dagster."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from cardops.bootstrap import Adapters
from cardops.rules.money import format_amount
from cardops.services.reconciliation.reconciling import Reconciliation, ReconciliationService
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
    """Compare the books of a business date with independent sources. Exit code 1 on a break.

    Balances are compared with postings and holds in the database, and deposit
    files with their postings and with the lake. Closing balances and the
    transaction log are compared too, once they are in the lake.
    """
    adapters = Adapters(Settings.load())
    service = ReconciliationService(adapters.books, adapters.lake, adapters.lake_books)
    found = service.reconcile((business_date or datetime.now(UTC)).date())
    if not found.includes_lake:
        say(
            f"The lake has no closing balances and log of {found.business_date} yet; compared "
            "without them."
        )
    for row in found.breaks.head(MAX_BREAKS_SHOWN).iter_rows(named=True):
        say(_break_sentence(row))
    result = _result(found)
    if json_output:
        print_json(result)
    else:
        typer.echo(_summary(result))
    if result["breaks"]:
        raise typer.Exit(DONE_WITH_FINDINGS)


def _result(found: Reconciliation) -> dict[str, Any]:
    totals = found.totals.to_dicts()
    return {
        "business_date": found.business_date.isoformat(),
        "accounts": found.account_count,
        "breaks": found.breaks.height,
        **{name: {row["currency"]: row[name] for row in totals} for name in TOTALS},
    }


def _break_sentence(row: dict[str, Any]) -> str:
    subject = f"user {row['user_id']}" if row["user_id"] else "deposit files"
    a, b = (format_amount(row[f"amount_{side}_minor"], row["currency"]) for side in "ab")
    return (
        f"Break: program {row['program']}, {subject}: {row['side_a']} says {a} {row['currency']}, "
        f"{row['side_b']} says {b} {row['currency']}."
    )


def _summary(result: dict[str, Any]) -> str:
    day, accounts, breaks = result["business_date"], result["accounts"], result["breaks"]
    lines = [f"Business date {day}: {accounts} account(s), {breaks} break(s)."]
    for currency, minor in result["balances"].items():
        figures = ", ".join(
            f"{name} {format_amount(result[name][currency], currency)}" for name in TOTALS[:-1]
        )
        lines.append(f"{currency}: {figures}; balances {format_amount(minor, currency)}")
    return "\n".join(lines)
