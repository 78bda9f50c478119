"""`cardops deposits`: decide about held files, recall a wrong one, credit recalled deposits again."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from cardops.bootstrap import Adapters
from cardops.rules.money import format_amount
from cardops.services.accounts.recalls import Recall, RecallService
from cardops.settings import Settings
from orchestration.cli import held_deposits
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

COUNTS = ("read", "accepted", "duplicate", "quarantined")

app = typer.Typer(no_args_is_help=True)
held_deposits.register(app)


@app.callback()
def _deposits() -> None:
    """Decide about held deposit files; recall a wrong one, or credit recalled deposits again."""


@app.command()
def recall(
    file: FileArgument,
    *,
    program: ProgramOption = None,
    by: Annotated[
        str | None, typer.Option(help="Who requested the recall; by default you, on this machine.")
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Take back every deposit that a file credited; balances may go below zero.

    Each becomes a negative posting that records who requested it. From then on nothing of the file
    is credited, whatever is run again. Running it again adds nothing. It waits for a run that is
    ingesting the file.
    """
    adapters = Adapters(Settings.load())
    service = RecallService(adapters.intake_ledger, adapters.deposit_ledger, adapters.lake)
    recalled_by = person_of(by)
    result = _recalled(
        file, service.recall(file, file_key(file, program), recalled_by), recalled_by
    )
    if json_output:
        print_json(result)
    else:
        say(f"Recalled {file}: {_sums(result['recalled']) or 'nothing, it credited nothing'}.")


@app.command()
def reinstate(
    file: FileArgument,
    *,
    why: Annotated[str, typer.Option(help="Why the deposits are credited again; it is recorded.")],
    program: ProgramOption = None,
    by: Annotated[
        str | None, typer.Option(help="Who requested it; by default you, on this machine.")
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Credit again what was recalled by mistake, or was corrected under the same ids.

    Name the recalled file, or the corrected one, whose amounts then count; one that was never
    submitted is submitted by this. Each deposit is credited once, however often this is run.
    """
    if not why.strip():
        raise CommandError("--why is empty; say why the deposits are credited again.")
    from cardops.services.accounts.reinstatements import (  # noqa: PLC0415 - loads polars
        ReinstatementService,
    )
    from orchestration.cli.submitting import open_submissions  # noqa: PLC0415 - loads Dagster

    settings, requested_by = Settings.load(), person_of(by)
    service = ReinstatementService(open_submissions(settings), Adapters(settings).deposit_ledger)
    done = service.reinstate(file, file_key(file, program), requested_by, why)
    result = {
        "file": file,
        "program": done.files[0].arrival.program,
        "intake_ids": [intake_file.intake_id for intake_file in done.files],
        "reinstated": done.totals_minor,
        "reinstated_by": requested_by,
        "reason": why,
        "files": done.responses,
    }
    if json_output:
        print_json(result)
    else:
        _say_reinstated(result)
    has_findings = any(
        response["quarantined"] or response["error"] or response.get("failed_checks")
        for response in done.responses
    )
    raise typer.Exit(DONE_WITH_FINDINGS if has_findings else DONE)


def _recalled(file: str, recall: Recall, recalled_by: str) -> dict[str, Any]:
    return {
        "file": file,
        "program": recall.files[0].arrival.program,
        "intake_ids": [intake_file.intake_id for intake_file in recall.files],
        "recalled": recall.totals_minor,
        "recalled_by": recalled_by,
    }


def _say_reinstated(result: Mapping[str, Any]) -> None:
    sums = _sums(result["reinstated"]) or "nothing, none of its deposits was recalled"
    say(f"Reinstated from {result['file']}: {sums}.")
    for response in result["files"]:
        counts = ", ".join(f"{name} {response[name]}" for name in COUNTS)
        say(f"{response['file']}: {response['error'] or counts}")


def _sums(totals_minor: Mapping[str, int]) -> str:
    return ", ".join(
        f"{format_amount(minor, currency)} {currency}" for currency, minor in totals_minor.items()
    )
