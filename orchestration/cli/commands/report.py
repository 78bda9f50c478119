"""`cardops report`: the daily report of a business date, its day closed first where needed."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cardops.adapters.clock import SystemClock
from cardops.adapters.warehouse.duckdb_warehouse import DuckDbWarehouse, NothingBuiltError
from cardops.ports import Warehouse
from cardops.settings import Settings
from orchestration.cli.output import DONE_WITH_FINDINGS, CommandError, JsonOption, print_json, say

if TYPE_CHECKING:
    from cardops.services.reports.figures import ReportFigures

app = typer.Typer()


@app.command()
def report(
    *,
    business_date: Annotated[
        datetime, typer.Option("--date", formats=["%Y-%m-%d"], help="Business date of the report.")
    ],
    json_output: JsonOption = False,
) -> None:
    """Make the daily report, one HTML file; exit 1 where the day has breaks or failed checks.

    A day that is not in the marts yet, or not over, is closed first: balances, log,
    reconciliation and marts, which takes about half a minute.
    """
    day = business_date.date()
    settings = Settings.load()
    warehouse = DuckDbWarehouse(settings.home)
    is_clean = True
    if day >= datetime.now(UTC).date() or not is_built(warehouse, day):
        say(f"Closing {day}: balances, transaction log, reconciliation, marts")
        is_clean = close(settings, day)
    figures, path = _write(warehouse, day)
    _print(figures, path, json_output=json_output)
    if figures.breaks or not is_clean:
        raise typer.Exit(DONE_WITH_FINDINGS)


def is_built(warehouse: Warehouse, day: date) -> bool:
    """Whether the marts hold the day's closing balances."""
    try:
        with warehouse.reading() as session:
            query = "select exists (select from fct_daily_balances where business_date = ?)"
            row = session.execute(query, [day]).fetchone()
            return bool(row and row[0])
    except NothingBuiltError:
        return False


def close(settings: Settings, day: date) -> bool:
    """Run the daily close in this process; whether every step and blocking check passed."""
    from assets.partitions import FIRST_BUSINESS_DATE, business_dates  # noqa: PLC0415 - Dagster
    from orchestration.definitions import build_defs  # noqa: PLC0415 - Dagster costs seconds
    from orchestration.local.instance import PROCESS_TAG, open_instance, process_tag  # noqa: PLC0415

    if not business_dates.has_partition_key(day.isoformat()):
        raise CommandError(
            f"{day} cannot be closed, so there is no report of it: business dates go from "
            f"{FIRST_BUSINESS_DATE} to today in UTC; give one of these with --date."
        )
    with open_instance(settings) as instance:
        result = (
            build_defs()
            .resolve_job_def("daily_close")
            .execute_in_process(
                instance=instance,
                partition_key=day.isoformat(),
                tags={PROCESS_TAG: process_tag()},
                raise_on_error=False,
            )
        )
    return result.success


def _write(warehouse: Warehouse, day: date) -> "tuple[ReportFigures, Path]":
    from assets.daily_report import write_report  # noqa: PLC0415 - Dagster costs seconds

    try:
        return write_report(warehouse, SystemClock(), day)
    except NothingBuiltError as error:
        raise CommandError(f"{error} The log above says why the close failed.") from None


def _print(figures: "ReportFigures", path: Path, *, json_output: bool) -> None:
    if json_output:
        print_json(
            {
                "business_date": figures.business_date.isoformat(),
                "path": str(path),
                "decisions": sum(row["count"] for row in figures.decisions),
                "breaks": len(figures.breaks),
                "is_closed": figures.has_closing_balances,
            }
        )
    else:
        typer.echo(f"{path}\n{len(figures.breaks)} break(s)")
