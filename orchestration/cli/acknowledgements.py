"""`cardops deliveries acknowledgements`: what the card companies answered about chargeback files.

Belongs here: listing and polling. Files and their delivery are in orchestration.cli.commands.deliveries.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from cardops.bootstrap import Adapters
from cardops.ports import Acknowledgements
from cardops.rules.deliveries.acknowledgements import (
    AcknowledgementOutcome,
    RejectedRow,
    Standing,
    StoredAcknowledgement,
    counts_of,
)
from cardops.rules.deliveries.records import ChargebackFileRecord, DeliveryState
from cardops.settings import Settings
from orchestration.cli.output import (
    DONE,
    DONE_WITH_FINDINGS,
    CommandError,
    JsonOption,
    print_json,
    say,
)
from orchestration.composition import chargeback_files_of


def register(app: typer.Typer) -> None:
    """Add the command to `cardops deliveries`."""
    app.command("acknowledgements")(acknowledgements)


def acknowledgements(
    *,
    poll: Annotated[
        bool,
        typer.Option(
            "--poll", help="First read the outbound folders, and deliver rejected rows once more."
        ),
    ] = False,
    destination: Annotated[str | None, typer.Option(help="Only this destination's.")] = None,
    batch: Annotated[str | None, typer.Option(help="Only those of this batch's files.")] = None,
    days: Annotated[int, typer.Option(min=1, help="Only those of so many days, up to now.")] = 30,
    rejected: Annotated[
        bool, typer.Option("--rejected", help="Show rejected rows with their reasons.")
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """List acknowledgements, newest first. Exit code 1 if one rejects rows or fits no file."""
    adapters = Adapters(Settings.load())
    errors = _polled(adapters, destination) if poll else {}
    resent = _resent(adapters, destination, days) if poll else []
    ledger = adapters.acknowledgements
    found = [
        stored
        for stored in (
            ledger.of_batches([batch]) if batch else ledger.since(_first(days, adapters))
        )
        if destination in {None, stored.file.destination}
    ]
    if json_output:
        shown = {"data": [described(stored, ledger) for stored in found], "errors": errors}
        print_json(shown | {"resent": resent})
    else:
        for stored in found:
            typer.echo(_line(stored))
            for row in _rows(stored, ledger) if rejected else ():
                key = row.line.key
                typer.echo(
                    f"  {key.case_number}  {key.stage}  {key.action_sequence}  {row.line.code}  "
                    f"{row.line.reason}"
                )
    needs_look = errors or any(_is_troubled(stored) for stored in found)
    raise typer.Exit(DONE_WITH_FINDINGS if needs_look else DONE)


def _resent(adapters: Adapters, destination: str | None, days: int) -> list[dict[str, Any]]:
    """Deliver the batches that rejected rows went into, also those that an earlier poll left."""
    from orchestration.cli.waiting_disputes import delivered  # noqa: PLC0415 - loads Dagster

    reopened = {
        stored.reopened_to
        for stored in adapters.acknowledgements.since(_first(days, adapters))
        if destination in {None, stored.file.destination}
    } - {None}
    files = list[dict[str, Any]]()
    for batch in adapters.intake_ledger.open_batches() if reopened else ():
        if batch.batch_id in reopened and not batch.is_made:
            say(f"{batch.batch_id}: delivering rejected rows once more")
            files += delivered(adapters, batch.batch_id)
    for file in files:
        say(f"{file['batch']}  {file['network']}  {file['file']}  {file['state']}")
    return files


def _first(days: int, adapters: Adapters) -> datetime:
    return adapters.database_clock.now() - timedelta(days=days)


def described(stored: StoredAcknowledgement, ledger: Acknowledgements) -> dict[str, Any]:
    """An acknowledgement for `--json`."""
    return {
        "destination": stored.file.destination,
        "file": stored.file.file_name,
        "sha256": stored.file.content_sha256,
        "outcome": stored.outcome.value,
        "batch": stored.batch_id,
        "network": stored.network,
        "sequence": stored.sequence,
        "accepted": stored.accepted_count,
        "rejected": stored.rejected_count,
        "late": stored.is_late,
        "received_at": stored.received_at and stored.received_at.isoformat(),
        "read_at": stored.read_at.isoformat(),
        "reopened_to": stored.reopened_to,
        "problem": stored.problem,
        "rejections": [
            {
                "case_number": row.line.key.case_number,
                "stage": row.line.key.stage,
                "action_sequence": row.line.key.action_sequence,
                "code": row.line.code,
                "reason": row.line.reason,
                "intake_id": row.intake_id,
                "row_number": row.row_number,
            }
            for row in _rows(stored, ledger)
        ],
    }


def of_file(record: ChargebackFileRecord, answers: Standing) -> dict[str, Any] | None:
    """What a delivery shows of its acknowledgement in `--json`; None: there is none."""
    stored = answers.get((record.batch_id, record.network))
    if stored is None:
        return None
    return {
        "accepted": stored.accepted_count,
        "rejected": stored.rejected_count,
        "late": stored.is_late,
        "read_at": stored.read_at.isoformat(),
        "reopened_to": stored.reopened_to,
    }


def words(record: ChargebackFileRecord, answers: Standing) -> str:
    """The same for people."""
    stored = answers.get((record.batch_id, record.network))
    if stored is None:
        return "not acknowledged" if record.state is DeliveryState.DELIVERED else ""
    return f"acknowledged: {counts_of(stored)}"


def _polled(adapters: Adapters, destination: str | None) -> dict[str, str]:
    """Why folders could not be read, by destination."""
    from cardops.services.deliveries.acknowledged_lines import FileLines  # noqa: PLC0415 - loads polars
    from cardops.services.deliveries.acknowledgements import (  # noqa: PLC0415 - the same
        AcknowledgementService,
    )
    from cardops.services.deliveries.guarded_logins import GuardedDestinations  # noqa: PLC0415

    service = AcknowledgementService(
        adapters.acknowledgements,
        adapters.delivery_ledger,
        GuardedDestinations(adapters.destinations, adapters.breakers, adapters.database_clock),
        FileLines(chargeback_files_of(adapters), adapters.intake_ledger, adapters.lake),
        adapters.raw_store,
        adapters.notifier,
        say,
    )
    results = service.poll_all(destination)
    if not results:
        raise CommandError(
            "No destination of a chargeback file has an outbound folder, so there is nothing to poll; "
            "`cardops destinations add NAME --replace --outbound-folder FOLDER` gives it one."
        )
    return {result.destination: result.error for result in results if result.error}


def _rows(stored: StoredAcknowledgement, ledger: Acknowledgements) -> Sequence[RejectedRow]:
    is_first = stored.outcome is AcknowledgementOutcome.MATCHED
    if not (is_first and stored.rejected_count and stored.batch_id and stored.network):
        return ()
    return ledger.rejections(stored.batch_id, stored.network)


def _is_troubled(stored: StoredAcknowledgement) -> bool:
    is_well = {AcknowledgementOutcome.MATCHED, AcknowledgementOutcome.REPEATED}
    return bool(stored.rejected_count) or stored.outcome not in is_well


def _line(stored: StoredAcknowledgement) -> str:
    parts = [
        f"{stored.read_at:%Y-%m-%d %H:%M}",
        stored.file.destination,
        stored.file.file_name,
        stored.outcome.value,
    ]
    if stored.accepted_count is not None:
        parts.append(counts_of(stored))
    parts += ["late"] if stored.is_late else []
    parts += [f"sent once more in {stored.reopened_to}"] if stored.reopened_to else []
    return "  ".join([*parts, stored.problem or ""]).rstrip()
