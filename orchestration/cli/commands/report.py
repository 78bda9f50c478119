"""`cardops report`: the daily report of a business date, its day closed first where needed."""

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardops.bootstrap import Adapters
from cardops.rules.reports import NothingBuiltError
from cardops.settings import Settings
from orchestration.cli.output import DONE_WITH_FINDINGS, CommandError, JsonOption, print_json, say

if TYPE_CHECKING:
    from cardops.services.reports.daily_report import DailyReport

app = typer.Typer()


@app.command()
def report(
    *,
    business_date: Annotated[
        datetime, typer.Option("--date", formats=["%Y-%m-%d"], help="Business date of the report.")
    ],
    json_output: JsonOption = False,
) -> None:
    """Build the daily report, one HTML file. Exit code 1 if the day has breaks or failed checks.

    A day that is not over, or not in the marts yet, is closed first: balances,
    log, reconciliation and marts. That takes about half a minute.
    """
    day = business_date.date()
    adapters = Adapters(Settings.load())
    is_clean = True
    if day >= datetime.now(UTC).date() or not adapters.reports.is_built(day):
        say(f"Closing {day}: balances, transaction log, reconciliation, marts")
        is_clean = close(adapters.settings, day)
    written = _write(adapters, day)
    _print(written, json_output=json_output)
    if written.figures.break_count or not is_clean:
        raise typer.Exit(DONE_WITH_FINDINGS)


def close(settings: Settings, day: date) -> bool:
    """Run the daily close in this process; whether every step and blocking check passed."""
    from orchestration.local.in_process import (  # noqa: PLC0415 - Dagster costs seconds
        ignore_beta_warnings,
    )

    ignore_beta_warnings()  # before the modules that would warn are imported
    from assets.partitions import dates_from  # noqa: PLC0415 - as above
    from orchestration.definitions import build_defs  # noqa: PLC0415 - as above
    from orchestration.local.instance import (  # noqa: PLC0415 - as above
        first_business_date,
        open_instance,
    )
    from sensors.processes import PROCESS_TAG, process_tag  # noqa: PLC0415 - as above

    first_date = first_business_date(settings)
    if not dates_from(first_date).has_partition_key(day.isoformat()):
        raise CommandError(
            f"{day} cannot be closed, so there is no report of it: business dates go from "
            f"{first_date} to today in UTC; give one of these with --date."
        )
    with open_instance(settings) as instance:
        result = (
            build_defs(first_date=first_date)
            .resolve_job_def("daily_close")
            .execute_in_process(
                instance=instance,
                partition_key=day.isoformat(),
                tags={PROCESS_TAG: process_tag()},
                raise_on_error=False,
            )
        )
    return result.success


def _write(adapters: Adapters, day: date) -> "DailyReport":
    # Load polars and jinja2.
    from cardops.services.chargebacks.waiting_disputes import WaitingDisputes  # noqa: PLC0415
    from cardops.services.reports.daily_report import (  # noqa: PLC0415
        ReportSources,
        write_daily_report,
    )
    from cardops.services.reports.open_alarms import AlarmSources  # noqa: PLC0415
    from cardops.services.reports.operations import OperationSources  # noqa: PLC0415

    sources = ReportSources(
        adapters.reports,
        adapters.delivery_ledger,
        adapters.acknowledgements,
        WaitingDisputes(adapters.intake_ledger, adapters.lake),
        OperationSources(
            adapters.intake_ledger,
            adapters.source_controls,
            adapters.expected_files,
            adapters.waiting_list,
            adapters.delivery_ledger,
        ),
        adapters.ring_snapshots,
        AlarmSources(
            adapters.dispute_alarms,
            adapters.monitoring_alarms,
            adapters.breakers,
            adapters.incidents,
        ),
    )
    try:
        return write_daily_report(day, sources, adapters.clock.now())
    except NothingBuiltError as error:
        raise CommandError(f"{error} The log above says why the close failed.") from None


def _print(written: "DailyReport", *, json_output: bool) -> None:
    breaks = written.figures.break_count
    if json_output:
        print_json(
            {
                "business_date": written.figures.business_date.isoformat(),
                "path": str(written.path),
                "edition": written.edition.number,
                "decisions": written.figures.decision_count,
                "breaks": breaks,
                "match": _match(written),
                "is_closed": written.figures.is_closed,
            }
        )
    else:
        match_breaks = sum(written.figures.match_breaks_by_kind.values())
        typer.echo(f"{written.path}\n{breaks} break(s), {match_breaks} match break(s)")


def _match(written: "DailyReport") -> dict[str, Any]:
    """Breaks between authorizations, settlements and disputes: they do not set the exit code."""
    kinds = written.figures.match_breaks_by_kind
    return {"breaks": sum(kinds.values()), "kinds": kinds}
