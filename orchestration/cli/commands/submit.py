"""`cardops submit FILE --kind …`: ingest a file, wait, and print what became of each row."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from cardops.contracts.kinds import KIND_NAMES
from cardops.rules.intake.files import DEFAULT_PROGRAM, Kind
from orchestration.cli.output import (
    DONE,
    DONE_WITH_FINDINGS,
    NOT_POSSIBLE,
    CommandError,
    JsonOption,
    print_json,
    say,
)
from orchestration.cli.people import person_of
from orchestration.cli.progress import shown_progress

app = typer.Typer()


class Mode(StrEnum):
    """How a chargeback batch is split into at most four files."""

    BY_NETWORK = "by_network"
    SIZE_BALANCED = "size_balanced"


def parse_kind(name: str) -> str:
    """The kind's name. Raises BadParameter."""
    if name not in KIND_NAMES:
        names = ", ".join(map(repr, KIND_NAMES))
        raise typer.BadParameter(f"{name!r} is not one of {names}.")
    return name


KIND_OPTION: Final = typer.Option(
    help="Kind of its rows.", parser=parse_kind, metavar=f"[{'|'.join(KIND_NAMES)}]"
)


@app.command()
def submit(
    file: Annotated[
        Path, typer.Argument(help="CSV, JSON, NDJSON, Parquet or Excel, plain, .gz or .zst.")
    ],
    kind: Annotated[str, KIND_OPTION],
    program: Annotated[
        str, typer.Option(help="Card program that the file belongs to.")
    ] = DEFAULT_PROGRAM,
    mode: Annotated[Mode | None, typer.Option(help="How chargebacks are split into files.")] = None,
    *,
    by: Annotated[
        str | None,
        typer.Option(
            help="Who submits it, and cannot approve it; by default you, on this machine."
        ),
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Ingest a file and print how many rows were accepted, duplicate or quarantined.

    A control file FILE.ctl.json beside it goes with it. Exit code 0: all rows accepted or duplicate;
    1: some need attention, or the file is held; 2: refused, or recalled before.
    """
    if not file.is_file():
        raise CommandError(f"There is no file {file}; check the path.")
    from cardops.contracts.kinds.registry import KINDS  # noqa: PLC0415 - loads polars
    from cardops.services.intake.submission import Submission  # noqa: PLC0415 - loads polars
    from cardops.settings import Settings  # noqa: PLC0415 - --help need not load it

    if mode is not None and not KINDS[Kind(kind)].has_batches:
        raise CommandError("--mode is for chargebacks only; leave it out for other kinds.")
    from orchestration.cli.submitting import open_submissions  # noqa: PLC0415 - loads Dagster

    submission = Submission(file, Kind(kind), program, mode and mode.value, person_of(by))
    try:
        with shown_progress():
            response = open_submissions(Settings.load()).submit(submission)
    except KeyboardInterrupt:
        say(
            "Interrupted: the file may be ingested in part. Submit it again to finish: no row "
            "counts twice. `cardops deposits recall` takes deposits back."
        )
        raise
    if json_output:
        print_json(response)
    else:
        show(response)
    raise typer.Exit(exit_code(response))


def exit_code(response: Mapping[str, Any]) -> int:
    """2 for a refused or recalled file, 1 for a held one or other findings, else 0."""
    if response["status"] in {"refused", "recalled"}:
        return NOT_POSSIBLE
    if response["status"] == "held":
        return DONE_WITH_FINDINGS
    undelivered = any(not file["delivered"] for file in response.get("files", ()))
    findings = response["quarantined"] or undelivered or response.get("failed_checks")
    findings = findings or response.get("waiting")
    return DONE_WITH_FINDINGS if findings else DONE


def show(response: Mapping[str, Any]) -> None:
    """Print the result for people."""
    if response["error"]:
        typer.echo(f"{response['status'].capitalize()}: {response['error']}")
        return
    _show_counts(response)
    for file in response.get("files", ()):
        where = file["remote_path"] if file["delivered"] else "NOT DELIVERED"
        typer.echo(f"{file['network']}: {file['rows']} rows -> {where}")
    for wait in response.get("waiting", ()):
        typer.echo(
            f"{wait['rows']} rows of batch {wait['batch']} are in no file ({wait['reason']}, since "
            f"{wait['since'][:16]}); `cardops deliveries waiting` lists them."
        )
    if response["reasons"].get("recalled_before"):
        typer.echo(
            "Deposits that were recalled before stay recalled. To credit them with the amounts of "
            "this file, run `cardops deposits reinstate FILE --by NAME --why TEXT`."
        )
    for hint in response.get("hints", ()):
        typer.echo(hint)
    if response["quarantine"]:
        typer.echo(f"Quarantined rows: {response['quarantine']}")
    typer.echo(f"Run {response['run_id']}, {response['seconds']} s")
    for released in response.get("released", ()):
        typer.echo("Rows that waited for this file were ingested:")
        show(released)


def _show_counts(response: Mapping[str, Any]) -> None:
    from rich.console import Console  # noqa: PLC0415 - not needed for JSON
    from rich.table import Table  # noqa: PLC0415 - not needed for JSON

    table = Table(title=f"{response['file']} ({response['kind']})", title_justify="left")
    for heading in ("rows", "count"):
        table.add_column(heading, justify="right" if heading == "count" else "left")
    for name in ("read", "accepted", "duplicate", "quarantined"):
        table.add_row(name, str(response[name]))
    for heading in ("reasons", "flags"):
        for code, rows in response[heading].items():
            table.add_row(f"  {code}", str(rows))
    Console().print(table)
