"""`cardops reconcile`: compare the books of a business date. Loads no Dagster."""

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cardops.bootstrap import Adapters
from cardops.rules.currencies import EXPONENTS
from cardops.rules.money import format_amount
from cardops.rules.reconciliation.comparisons import Unit
from cardops.services.reconciliation.reconciling import (
    Extent,
    Reconciliation,
)
from cardops.settings import Settings
from orchestration.cli.output import DONE_WITH_FINDINGS, CommandError, JsonOption, print_json, say
from orchestration.composition import reconciliation_of, safeguarding_of

if TYPE_CHECKING:
    import polars as pl

TOTALS: Final = ("deposits", "spends", "reversals", "balances")
MAX_BREAKS_SHOWN: Final = 20
FIRST_DATE: Final = date(2000, 1, 1)  # as CARDOPS_FIRST_BUSINESS_DATE
SAFEGUARDING_RUNBOOK: Final = "docs/runbooks/safeguarding.md"
RUNBOOK: Final = "docs/runbooks/reconciliation-breaks.md"

app = typer.Typer()


@app.command()
def reconcile(
    *,
    business_date: Annotated[
        datetime | None,
        typer.Option("--date", formats=["%Y-%m-%d"], help="Business date; today unless given."),
    ] = None,
    full: Annotated[
        bool,
        typer.Option(
            "--full", help="Read every raw deposit file and every exported log again, of all dates."
        ),
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """Compare the books of a business date with independent sources. Exit code 1 on a break.

    All accounts, authorizations and deposits in the database are compared with
    their postings, holds, actions and files, and deposit files with the lake.
    The date's raw files are counted again. Closing balances and the transaction
    log are compared too, once they are in the lake. docs/reconciliation.md
    lists the checks. Programs with safeguarding accounts also have their money
    at the bank compared with what they owe to users.
    """
    adapters = Adapters(Settings.load())
    service = reconciliation_of(adapters)
    extent = Extent.ALL if full else Extent.STORE
    today = adapters.database_clock.now().date()
    chosen = _possible(business_date.date() if business_date else today, today)
    found = service.reconcile(chosen, extent)
    if not found.includes_lake:
        say(
            f"The lake has no closing balances and log of {found.business_date} yet; compared "
            "without them."
        )
    if found.missing_raw_files:
        say(
            f"{len(found.missing_raw_files)} raw file(s) are not there any more and were not "
            f"counted again, {found.missing_raw_files[0]} for one."
        )
    for row in found.breaks.head(MAX_BREAKS_SHOWN).iter_rows(named=True):
        say(_break_sentence(row))
    result = _result(found)
    figures = safeguarding_of(adapters).check(chosen, today)
    result |= _safeguarding(figures)
    if not any(amount for name in TOTALS for amount in result[name].values()):
        say(
            f"Nothing was posted up to {found.business_date}, so there was nothing to compare; if another date was "
            "meant, name it with --date."
        )
    if json_output:
        print_json(result)
    else:
        typer.echo(_summary(result))
    if result["breaks"] or figures["is_break"].any():
        raise typer.Exit(DONE_WITH_FINDINGS)


def _possible(business_date: date, today: date) -> date:
    """The same. Raises CommandError where nothing can have been posted up to it."""
    if business_date < FIRST_DATE:
        raise CommandError(f"{business_date} is before all business dates; it is {today}.")
    if business_date > today:
        raise CommandError(
            f"{business_date} has not begun, so there is nothing to compare; it is {today}."
        )
    return business_date


def _result(found: Reconciliation) -> dict[str, Any]:
    totals = found.totals.to_dicts()
    return {
        "business_date": found.business_date.isoformat(),
        "accounts": found.account_count,
        "breaks": found.breaks.height,
        **{name: {row["currency"]: row[name] for row in totals} for name in TOTALS},
    }


def _break_sentence(row: dict[str, Any]) -> str:
    where = [
        f"program {row['program']}" if row["program"] else None,
        f"user {row['user_id']}" if row["user_id"] else None,
        row["subject"],
    ]
    return (
        f"Break: {', '.join(part for part in where if part)}: {row['side_a']} says "
        f"{_figure(row, 'a')}, {row['side_b']} says {_figure(row, 'b')}. "
        f"What to do: {RUNBOOK}#{row['check_name']}"
    )


def _safeguarding(figures: "pl.DataFrame") -> dict[str, Any]:
    """The figures for `--json`, if any program has safeguarding accounts; breaks are said."""
    for row in figures.filter("is_break").head(MAX_BREAKS_SHOWN).iter_rows(named=True):
        say(_safeguarding_sentence(row))
    return {} if figures.is_empty() else {"safeguarding": figures.to_dicts()}


def _safeguarding_sentence(row: dict[str, Any]) -> str:
    account = f", account {row['account_id']}" if row["account_id"] else ""
    sides = {"the bank has": row["bank_minor"], "expected are": row["owed_minor"]}
    figures = "; ".join(
        f"{name} {format_amount(minor, row['currency'])} {row['currency']}"
        for name, minor in sides.items()
        if minor is not None
    )
    return (
        f"Safeguarding of program {row['program']}{account}: it is not so that "
        f"{row['check_name']}. {figures or 'There is no statement'}. What to do: "
        f"{SAFEGUARDING_RUNBOOK}"
    )


def _figure(row: dict[str, Any], side: str) -> str:
    """An amount with its currency, or a count with what it counts."""
    number = int(row[f"amount_{side}_minor"])
    if row["unit"] == Unit.MINOR and row["currency"] in EXPONENTS:
        return f"{format_amount(number, row['currency'])} {row['currency']}"
    return f"{number} {row['unit']}"


def _summary(result: dict[str, Any]) -> str:
    day, accounts, breaks = result["business_date"], result["accounts"], result["breaks"]
    lines = [f"Business date {day}: {accounts} account(s), {breaks} break(s)."]
    for currency, minor in result["balances"].items():
        figures = ", ".join(
            f"{name} {format_amount(result[name][currency], currency)}" for name in TOTALS[:-1]
        )
        lines.append(f"{currency}: {figures}; balances {format_amount(minor, currency)}")
    return "\n".join(lines)
