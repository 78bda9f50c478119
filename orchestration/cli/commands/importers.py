"""`cardops importers`: which processor's report a file is, and what would become of it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cardops.rules.intake.files import DEFAULT_PROGRAM, Kind
from orchestration.cli.commands.submit import KIND_OPTION
from orchestration.cli.output import (
    DONE,
    DONE_WITH_FINDINGS,
    NOT_POSSIBLE,
    CommandError,
    JsonOption,
    print_json,
    say,
)

if TYPE_CHECKING:
    from cardops.contracts.judging.files import FileCircumstances
    from cardops.contracts.kinds.profile import KindProfile
    from cardops.services.intake.checking import FileCheck

app = typer.Typer(no_args_is_help=True)
# The columns of a dispute that fit into a terminal; `--json` has all.
_SHOWN: Final = (
    "case_number", "stage", "status", "network", "transaction_id", "dispute_amount_minor",
    "dispute_currency", "reply_by_date",
)  # fmt: skip


@app.callback()
def _importers() -> None:
    """Reports of processors that are read as they are."""


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="A report, or a file in the contract's own names.")],
    kind: Annotated[str, KIND_OPTION] = "chargebacks",
    program: Annotated[
        str, typer.Option(help="Card program that the file would belong to.")
    ] = DEFAULT_PROGRAM,
    *,
    json_output: JsonOption = False,
) -> None:
    """Show whose report a file is, what would become of it, and what is not understood.

    Nothing is taken in. Exit code 0: all of it is understood and valid; 1: rows would be quarantined,
    or words are not understood; 2: the file would be refused.
    """
    if not file.is_file():
        raise CommandError(f"There is no file {file}; check the path.")
    from cardops.contracts.kinds.registry import KINDS  # noqa: PLC0415 - loads polars
    from cardops.services.intake.checking import check_file  # noqa: PLC0415 - loads polars

    profile = KINDS[Kind(kind)]
    found = check_file(file, profile, _circumstances(file, profile, program))
    response = described(found, file, kind, program)
    if json_output:
        print_json(response)
    else:
        _show(response)
    if found.outcome.error:
        raise typer.Exit(NOT_POSSIBLE)
    has_findings = found.outcome.quarantined or found.unknown_values
    raise typer.Exit(DONE_WITH_FINDINGS if has_findings else DONE)


@app.command("list")
def list_importers(*, json_output: JsonOption = False) -> None:
    """List the reports that are read as they are, with the columns by which each is recognised."""
    from cardops.contracts.kinds.registry import KINDS  # noqa: PLC0415 - loads polars

    data = [
        {
            "name": importer.name,
            "title": importer.title,
            "kind": kind,
            "header": sorted(importer.header),
        }
        for kind, profile in KINDS.items()
        for importer in profile.contract.importers
    ]
    if json_output:
        print_json({"data": data})
        return
    for importer in data:
        typer.echo(f"{importer['name']}  {importer['kind']}  {importer['title']}")


def described(found: "FileCheck", file: Path, kind: str, program: str) -> dict[str, Any]:
    """The check for `--json`."""
    outcome = found.outcome
    return {
        "file": str(file),
        "kind": kind,
        "program": program,
        "importer": found.importer,
        "title": found.title,
        "read": outcome.read,
        "accepted": outcome.accepted,
        "duplicate": outcome.duplicate,
        "quarantined": outcome.quarantined,
        "reasons": dict(outcome.reasons),
        "flags": dict(outcome.flags),
        "totals": dict(outcome.totals_minor),
        "unknown_columns": list(found.unknown_columns),
        "unknown_values": [asdict(value) for value in found.unknown_values],
        "rows": list(found.rows),
        "error": outcome.error,
    }


def _circumstances(file: Path, profile: "KindProfile", program: str) -> "FileCircumstances":
    from cardops.bootstrap import Adapters  # noqa: PLC0415 - --help need not load it
    from cardops.contracts.judging.files import FileCircumstances  # noqa: PLC0415 - loads polars
    from cardops.rules.intake.files import Arrival, FileStatus, IntakeFile  # noqa: PLC0415
    from cardops.rules.mappings.versions import MappingMissingError  # noqa: PLC0415
    from cardops.settings import Settings  # noqa: PLC0415 - --help need not load it
    from orchestration.cli.commands.mapping import trial_circumstances  # noqa: PLC0415

    adapters = Adapters(Settings.load())
    judged_by = trial_circumstances(adapters, program, profile)
    try:
        mapping = adapters.file_mappings.find(program, profile.kind).mapping
    except MappingMissingError:
        mapping = None
    arrival = Arrival(profile.kind, program, "", file.name, "", "", file.stat().st_size)
    today = judged_by.now.date()
    return FileCircumstances(
        IntakeFile(0, arrival, today, FileStatus.CLAIMED),
        currency=judged_by.currency,
        now=judged_by.now,
        batch_mode=judged_by.batch_mode,
        routes=judged_by.routes,
        referenced=judged_by.referenced,
        mapping=mapping,
    )


def _show(response: Mapping[str, Any]) -> None:
    if response["error"]:
        typer.echo(f"Would be refused: {response['error']}")
        return
    say(f"{response['file']}: {response['title'] or 'a file in the names of the contract'}")
    for name in ("read", "accepted", "duplicate", "quarantined"):
        typer.echo(f"{name}: {response[name]}")
    for heading in ("reasons", "flags"):
        for code, count in response[heading].items():
            typer.echo(f"  {code}: {count}")
    for value in response["unknown_values"]:
        typer.echo(
            f"not understood: {value['column']} {value['value']!r} in {value['rows']} row(s)"
        )
    if response["unknown_columns"]:
        typer.echo(f"columns that serve nothing: {', '.join(response['unknown_columns'])}")
    _show_rows(response["rows"])


def _show_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    from rich.console import Console  # noqa: PLC0415 - not needed for JSON
    from rich.table import Table  # noqa: PLC0415 - not needed for JSON

    columns = [name for name in _SHOWN if name in rows[0]] or list(rows[0])[:8]
    table = Table(*columns, title="First accepted rows", title_justify="left")
    for row in rows:
        table.add_row(*("" if row[name] is None else str(row[name]) for name in columns))
    Console().print(table)
