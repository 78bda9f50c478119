"""Commands of `cardops deliveries` about disputes that are in no chargeback file.

Belongs here: listing what waits and releasing what a policy holds. Files and their delivery are in
orchestration.cli.commands.deliveries.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

from cardops.bootstrap import Adapters
from cardops.rules.chargebacks.filing import SlotWait, WaitingDispute, slot_waits
from cardops.rules.chargebacks.routing import NETWORKS
from cardops.settings import Settings
from orchestration.cli.output import (
    DONE,
    DONE_WITH_FINDINGS,
    CommandError,
    JsonOption,
    print_json,
    say,
)
from orchestration.cli.people import person_of


def register(app: typer.Typer) -> None:
    """Add the commands to `cardops deliveries`."""
    app.command("waiting")(waiting)
    app.command("release")(release)


def waiting(
    *,
    program: Annotated[str | None, typer.Option(help="Only this program's.")] = None,
    json_output: JsonOption = False,
) -> None:
    """List accepted disputes that are in no file, with the reason, longest first. Exit code 1 if any."""
    from cardops.services.chargebacks.waiting_disputes import (  # noqa: PLC0415 - loads polars
        WaitingDisputes,
    )

    adapters = Adapters(Settings.load())
    rows = WaitingDisputes(adapters.intake_ledger, adapters.lake).rows(program)
    if json_output:
        print_json({"data": [described(row) for row in rows]})
    else:
        for row in rows:
            typer.echo(
                f"{row.program}  {row.network}  {row.case_number}  {row.stage}  {row.reason}  since "
                f"{_minute(row.since)}  batch {row.batch_id}"
            )
        if not rows:
            typer.echo("No dispute waits: each accepted row is in a chargeback file.")
    raise typer.Exit(DONE_WITH_FINDINGS if rows else DONE)


def waits_of(adapters: Adapters, batch: str | None) -> list[SlotWait]:
    """What waits by batch and card company, of this batch or all."""
    ledger = adapters.intake_ledger
    if not ledger.open_batches() and not ledger.held_disputes():
        return []  # mostly so, and found without the rows, whose packages take a second to load
    from cardops.services.chargebacks.waiting_disputes import (  # noqa: PLC0415 - loads polars
        WaitingDisputes,
    )

    rows = WaitingDisputes(adapters.intake_ledger, adapters.lake).rows()
    return slot_waits(row for row in rows if batch in {None, row.batch_id})


def release(
    case: Annotated[str, typer.Argument(help="The case number, as `waiting` shows it.")],
    *,
    why: Annotated[str, typer.Option(help="Why it is sent now; recorded.")],
    network: Annotated[str | None, typer.Option(help="Only this card company's case.")] = None,
    program: Annotated[
        str | None, typer.Option(help="Card program of the dispute; needed where several hold it.")
    ] = None,
    by: Annotated[str | None, typer.Option(help="Who requested it; by default you.")] = None,
    json_output: JsonOption = False,
) -> None:
    """Send a dispute that a policy holds or a card company rejected, in a batch of its own. Exit code 1: not delivered."""
    if network is not None and network not in NETWORKS:
        raise CommandError(f"--network must be one of {', '.join(NETWORKS)}.")
    adapters = Adapters(Settings.load())
    ledger = adapters.intake_ledger
    held = held_by_one(ledger.held_disputes(program), case, network, program)
    keys = [row.key for row in held]
    batch = ledger.release_disputes(held[0].program, keys, by=person_of(by), why=why)
    if batch is None:
        raise CommandError(_not_held(case, program))
    files = delivered(adapters, batch.batch_id)
    if json_output:
        print_json({"batch": batch.batch_id, "rows": len(keys), "files": files})
    else:
        say(f"{len(keys)} rows of {case} were released into batch {batch.batch_id}.")
    if not files or not all(file["delivered"] for file in files):
        raise typer.Exit(DONE_WITH_FINDINGS)


def held_by_one(
    rows: Sequence[WaitingDispute], case: str, network: str | None, program: str | None
) -> Sequence[WaitingDispute]:
    """The case's rows among those that are held. Raises CommandError where no program holds it, or several do."""
    held = [row for row in rows if row.case_number == case and network in {None, row.network}]
    programs = sorted({row.program for row in held})
    if not programs:
        raise CommandError(_not_held(case, program))
    if len(programs) > 1:
        raise CommandError(
            f"{case} is held in {' and '.join(programs)}, so nothing was released; name one with --program."
        )
    return held


def _not_held(case: str, program: str | None) -> str:
    return (
        f"{program or 'No program'} holds {'no' if program else 'a'} dispute {case}, so nothing was "
        "released; `cardops deliveries waiting` lists what waits and why."
    )


def delivered(adapters: Adapters, batch_id: str) -> list[dict[str, Any]]:
    """Make and deliver a batch's files; they are returned as `deliveries list` shows them."""
    from orchestration.cli.commands.deliveries import described as file  # noqa: PLC0415 - a circle
    from orchestration.cli.submitting import ReportedRuns  # noqa: PLC0415 - loads Dagster
    from orchestration.local.in_process import InProcessRuns  # noqa: PLC0415 - loads Dagster

    ReportedRuns(InProcessRuns(adapters.settings)).deliver(batch_id)
    return [file(record) for record in adapters.delivery_ledger.files_of(batch_id)]


def described(row: WaitingDispute) -> dict[str, Any]:
    """A waiting row for `--json`."""
    return {
        "program": row.program,
        "network": row.network,
        "case_number": row.case_number,
        "stage": row.stage,
        "status": row.status,
        "dispute_amount": row.amount_minor,
        "currency": row.currency,
        "reply_by": row.reply_by and row.reply_by.isoformat(),
        "reason": str(row.reason),
        "since": row.since.isoformat(),
        "batch": row.batch_id,
        "intake_id": row.key.intake_id,
        "row_number": row.key.row_number,
    }


def _minute(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M}"
