"""Commands of `cardops deposits` about held files and control files.

Belongs here: approving, rejecting and listing held files, and writing a control file.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from cardops.bootstrap import Adapters
from cardops.rules.intake.files import DEFAULT_PROGRAM, IntakeFile, Kind
from cardops.rules.intake.source_controls import DEPOSITS, FileHold
from cardops.settings import Settings
from orchestration.cli.deposit_files import FileArgument, ProgramOption, file_key
from orchestration.cli.output import (
    DONE,
    DONE_WITH_FINDINGS,
    CommandError,
    JsonOption,
    print_json,
    say,
)
from orchestration.cli.people import person_of
from orchestration.composition import held_files_of

WhyOption = Annotated[str, typer.Option(help="Why; it is recorded.")]
ByOption = Annotated[str | None, typer.Option(help="Who decides; by default you, on this machine.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `cardops deposits`."""
    app.command("approve")(approve)
    app.command("reject")(reject)
    app.command("list")(list_held)
    app.command("control")(write_control)


def approve(
    file: FileArgument,
    *,
    why: WhyOption,
    program: ProgramOption = None,
    by: ByOption = None,
    json_output: JsonOption = False,
) -> None:
    """Approve a held file as a second person, and credit it. Again, it finishes what was begun.

    Nobody who submitted the file can approve it, and nobody twice: above the program's second cap it
    stays held until two persons approved it. What is credited is what was judged when it was
    held: were its rows judged differently now, it is held again.
    """
    from cardops.services.accounts.deposit_files import named_files  # noqa: PLC0415 - polars
    from cardops.services.intake.submission import Submission  # noqa: PLC0415 - loads polars
    from orchestration.cli.commands.submit import exit_code, show  # noqa: PLC0415
    from orchestration.cli.submitting import open_submissions  # noqa: PLC0415 - loads Dagster

    settings, decided_by = Settings.load(), person_of(by)
    _require_reason(why)
    adapters = Adapters(settings)
    held = held_files_of(adapters)
    named = named_files(adapters.intake_ledger, file_key(file, program))
    entry = held.approve(held.meant(named, file).intake_id, decided_by, why.strip())
    submission = Submission(Path(file), DEPOSITS, entry.arrival.program)
    response = open_submissions(settings).resume(submission, entry)
    response |= {"approved_by": decided_by, "reason": why.strip()}
    if json_output:
        print_json(response)
    else:
        show(response)
    raise typer.Exit(exit_code(response))


def reject(
    file: FileArgument,
    *,
    why: WhyOption,
    program: ProgramOption = None,
    by: ByOption = None,
    json_output: JsonOption = False,
) -> None:
    """Refuse a held file: nothing of it is credited."""
    from cardops.services.accounts.deposit_files import named_files  # noqa: PLC0415 - polars

    _require_reason(why)
    adapters, decided_by = Adapters(Settings.load()), person_of(by)
    held = held_files_of(adapters)
    named = named_files(adapters.intake_ledger, file_key(file, program))
    entry = held.reject(held.meant(named, file).intake_id, decided_by, why.strip())
    error = entry.outcome.error if entry.outcome else None
    if json_output:
        print_json(
            {
                "file": file,
                "program": entry.arrival.program,
                "intake_id": entry.intake_id,
                "status": "refused",
                "rejected_by": decided_by,
                "error": error,
            }
        )
    else:
        say(error or f"{file} was rejected.")


def list_held(
    *,
    held: Annotated[
        bool, typer.Option("--held", help="Files that wait for an approval or a control file.")
    ] = False,
    program: Annotated[str | None, typer.Option(help="Only this program's.")] = None,
    json_output: JsonOption = False,
) -> None:
    """List the held deposit files, oldest first; exit code 1 where there are some."""
    if not held:
        raise CommandError("Say which files: `cardops deposits list --held`.")
    found = Adapters(Settings.load()).source_controls.held(DEPOSITS, program)
    if json_output:
        print_json({"data": [_described(entry, hold) for entry, hold in found]})
    else:
        for entry, hold in found:
            typer.echo(f"{entry.intake_id}  {hold.reason}  since {hold.held_at:%Y-%m-%d %H:%M}")
            typer.echo(f"  {hold.sentence}")
            if hold.approved_by:
                given = f"{len(hold.approved_by)} of {hold.approvals_needed} approvals"
                typer.echo(f"  {given}: {', '.join(hold.approved_by)}")
        if not found:
            typer.echo("No deposit file is held.")
    raise typer.Exit(DONE_WITH_FINDINGS if found else DONE)


def write_control(
    file: Annotated[Path, typer.Argument(help="A deposit file.")],
    *,
    program: Annotated[str, typer.Option(help="Card program it is for.")] = DEFAULT_PROGRAM,
    currency: Annotated[
        str | None, typer.Option(help="Of rows without one; by default that of the settings.")
    ] = None,
    signing_key: Annotated[
        Path | None,
        typer.Option(help="Private key to sign it with: Ed25519 in PEM, or a secret OpenPGP key."),
    ] = None,
    key_id: Annotated[str | None, typer.Option(help="Id of that key at the program.")] = None,
    json_output: JsonOption = False,
) -> None:
    """Write FILE.ctl.json, as a sender does; it needs no database."""
    if not file.is_file():
        raise CommandError(f"There is no file {file}; check the path.")
    from cardops.contracts.kinds.registry import KINDS  # noqa: PLC0415 - loads polars
    from cardops.rules.intake.control_files import (  # noqa: PLC0415
        control_content,
        control_key,
        signed_bytes,
    )
    from cardops.services.intake.figures import figures_of  # noqa: PLC0415 - loads polars
    from cardops.services.intake.signatures import signed_with  # noqa: PLC0415 - OpenSSL

    default = currency or Settings.load().default_currency
    figures = figures_of(file, KINDS[Kind("deposits")], default)
    signature = None
    if signing_key is not None:
        signature = signed_with(signing_key.read_bytes(), signed_bytes(program, figures))
    target = Path(control_key(str(file)))
    target.write_bytes(control_content(figures, signature=signature, key_id=key_id))
    if json_output:
        totals = dict(figures.totals_minor)
        print_json({"file": str(target), "rows": figures.row_count, "totals": totals})
    else:
        say(f"{target} was written: {figures.row_count} rows.")


def _described(entry: IntakeFile, hold: FileHold) -> Mapping[str, Any]:
    return {
        "intake_id": entry.intake_id,
        "program": entry.arrival.program,
        "file": entry.arrival.key,
        "held_for": hold.reason.value,
        "held_at": hold.held_at,
        "rows": hold.row_count,
        "totals": dict(hold.totals_minor),
        "sha256": entry.arrival.content_sha256,
        "error": hold.sentence,
        "approvals_needed": hold.approvals_needed,
        "approved_by": list(hold.approved_by),
    }


def _require_reason(why: str) -> None:
    if not why.strip():
        raise CommandError("--why is empty; say why.")
