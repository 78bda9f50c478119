"""`cardops quarantine`: what was set aside, and giving it another try."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from cardops.adapters.postgresql.connection import connect_info
from cardops.adapters.postgresql.intake.set_aside import files_set_aside
from cardops.rules.intake.files import FileOutcome, IntakeFile
from cardops.settings import Settings
from orchestration.cli.commands.submit import exit_code, show
from orchestration.cli.output import JsonOption, print_json

# Before this many files nobody reads on.
SHOWN: Final = 50

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_files(
    *,
    program: Annotated[str | None, typer.Option(help="Only this program's.")] = None,
    json_output: JsonOption = False,
) -> None:
    """List files with quarantined rows, refused files and dead ones, newest first."""
    found = files_set_aside(connect_info(Settings.load()).url, program)
    if json_output:
        print_json({"data": [described(one) for one in found]})
        return
    for one in found[:SHOWN]:
        told = described(one)
        why = told["error"] or ", ".join(f"{rows} {code}" for code, rows in told["reasons"].items())
        typer.echo(f"{one.intake_id}  {told['status']}  {one.arrival.key}  {why}")
    if not found:
        typer.echo("Nothing is in quarantine.")


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


def described(entry: IntakeFile) -> Mapping[str, Any]:
    """One file for `--json`."""
    outcome = entry.outcome or FileOutcome()
    return {
        "intake_id": entry.intake_id,
        "kind": entry.arrival.kind,
        "program": entry.arrival.program,
        "file": entry.arrival.key,
        "business_date": entry.business_date.isoformat(),
        "status": entry.status.value,
        "quarantined": outcome.quarantined,
        "reasons": dict(outcome.reasons),
        "quarantine": outcome.quarantine_path,
        "error": outcome.error,
    }
