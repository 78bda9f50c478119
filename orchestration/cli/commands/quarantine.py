"""`cardops quarantine`: list quarantined rows and refused files, and release them."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from cardops.bootstrap import Adapters
from cardops.rules.intake.files import FileOutcome, IntakeFile
from cardops.rules.intake.waiting import WaitingRow
from cardops.settings import Settings
from orchestration.cli.commands.submit import exit_code, show
from orchestration.cli.output import DONE, DONE_WITH_FINDINGS, JsonOption, print_json

# Files printed for a person; `--json` prints all of them.
MAX_PRINTED_FILES: Final = 50
MAX_PRINTED_ROWS: Final = 50

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_files(
    *,
    program: Annotated[str | None, typer.Option(help="Only this program's.")] = None,
    with_released: Annotated[
        bool, typer.Option("--all", help="Also files whose quarantined rows were all released.")
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """List files with rows that wait in quarantine, refused files and dead ones, newest first."""
    ledger = Adapters(Settings.load()).intake_ledger
    files = ledger.needing_attention(program, with_released=with_released)
    released = ledger.release_counts([intake_file.intake_id for intake_file in files])
    if json_output:
        data = [
            {**describe(intake_file), "released": released[intake_file.intake_id]}
            for intake_file in files
        ]
        print_json({"data": data})
        return
    for intake_file in files[:MAX_PRINTED_FILES]:
        described = describe(intake_file)
        reasons = (f"{rows} {code}" for code, rows in described["reasons"].items())
        why = described["error"] or ", ".join(reasons)
        key, count = intake_file.arrival.key, released[intake_file.intake_id]
        of_these = f" ({count} released)" if count else ""
        typer.echo(f"{intake_file.intake_id}  {described['status']}  {key}  {why}{of_these}")
    if not files:
        typer.echo("Nothing is in quarantine.")


@app.command()
def waiting(
    *,
    program: Annotated[str | None, typer.Option(help="Only this program's.")] = None,
    json_output: JsonOption = False,
) -> None:
    """List rows that wait for the row they refer to, those that wait longest first.

    Exit code 1 if one waits longer than CARDOPS_WAITING_DAYS.
    """
    adapters = Adapters(Settings.load())
    now, deadline = adapters.database_clock.now(), adapters.waiting_list.deadline
    rows = adapters.waiting_list.rows(program)
    data = [describe_row(row, is_overdue=row.is_overdue(deadline, now)) for row in rows]
    if json_output:
        print_json({"data": data})
    else:
        for row in data[:MAX_PRINTED_ROWS]:
            mark = "  OVERDUE" if row["is_overdue"] else ""
            typer.echo(
                f"{row['intake_id']}  {row['file']} row {row['row_number']} waits for "
                f"{row['waits_for']} since {row['waiting_since'][:16]}{mark}"
            )
        if len(data) > MAX_PRINTED_ROWS:
            typer.echo(f"… and {len(data) - MAX_PRINTED_ROWS} more; `--json` lists them.")
        if not data:
            typer.echo("No row waits.")
    raise typer.Exit(DONE_WITH_FINDINGS if any(row["is_overdue"] for row in data) else DONE)


@app.command()
def release(
    intake_id: Annotated[int, typer.Argument(help="The file's number, as `list` shows it.")],
    *,
    row: Annotated[
        list[int] | None, typer.Option(help="Only this row; may be given several times.")
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Judge quarantined rows again, as a new file; a refused or dead file is judged whole."""
    from orchestration.cli.submitting import open_submissions  # noqa: PLC0415 - loads Dagster

    submissions = open_submissions(Settings.load())
    entry = submissions.claims.intake_ledger.find(intake_id)
    response = submissions.release(entry, row or [])
    if json_output:
        print_json(response)
    else:
        show(response)
    raise typer.Exit(exit_code(response))


def describe_row(row: WaitingRow, *, is_overdue: bool) -> Mapping[str, Any]:
    """One waiting row for `--json`."""
    return {
        "intake_id": row.intake_id,
        "kind": row.kind,
        "program": row.program,
        "file": row.file,
        "row_number": row.row_number,
        "waits_for": row.reference_id,
        "waiting_since": row.waiting_since.isoformat(),
        "is_overdue": is_overdue,
    }


def describe(intake_file: IntakeFile) -> Mapping[str, Any]:
    """One file for `--json`."""
    outcome = intake_file.outcome or FileOutcome()
    return {
        "intake_id": intake_file.intake_id,
        "kind": intake_file.arrival.kind,
        "program": intake_file.arrival.program,
        "file": intake_file.arrival.key,
        "business_date": intake_file.business_date.isoformat(),
        "status": intake_file.status.value,
        "quarantined": outcome.quarantined,
        "reasons": dict(outcome.reasons),
        "quarantine": outcome.quarantine_path,
        "error": outcome.error,
        "contract_version": outcome.contract_version,
        "mapping_version": intake_file.mapping_version,
    }
