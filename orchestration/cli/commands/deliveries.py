"""`cardops deliveries`: list chargeback files with their state, and retry a delivery."""

from typing import Annotated

import typer

from cardops.bootstrap import Adapters
from cardops.rules.chargebacks.filing import SlotWait
from cardops.rules.chargebacks.routing import NETWORKS
from cardops.rules.deliveries.acknowledgements import standing
from cardops.rules.deliveries.records import (
    ChargebackFileRecord,
    DeliveryState,
    OperatorWord,
    OperatorWordNeededError,
)
from cardops.rules.money import format_amount
from cardops.services.deliveries.delivery import DeliveryService
from cardops.settings import Settings
from orchestration.cli import acknowledgements, file_layouts, waiting_disputes
from orchestration.cli.dispute_options import ByOption
from orchestration.cli.output import (
    DONE_WITH_FINDINGS,
    CommandError,
    JsonOption,
    print_json,
    say,
)
from orchestration.cli.people import person_of

app = typer.Typer(no_args_is_help=True)
waiting_disputes.register(app)
acknowledgements.register(app)
app.add_typer(file_layouts.app, name="layout")


@app.command("list")
def list_deliveries(
    *,
    state: Annotated[
        str | None,
        typer.Option(help="Only made, sending, delivered, delivered_unconfirmed or failed ones."),
    ] = None,
    batch: Annotated[str | None, typer.Option(help="Only files of this batch.")] = None,
    json_output: JsonOption = False,
) -> None:
    """List chargeback files, newest first, and what waits. Exit code 1 if a file needs an operator."""
    if state is not None and state not in set(DeliveryState):
        raise CommandError(f"--state must be one of {', '.join(DeliveryState)}.")
    adapters = Adapters(Settings.load())
    records = adapters.delivery_ledger.all([state] if state else None)
    found = [record for record in records if batch in {None, record.batch_id}]
    answers = standing(adapters.acknowledgements.of_batches([record.batch_id for record in found]))
    waits = [] if state else waiting_disputes.waits_of(adapters, batch)
    if json_output:
        data = [
            described(record) | {"acknowledgement": acknowledgements.of_file(record, answers)}
            for record in found
        ]
        print_json({"data": data, "waiting": [_described_wait(wait) for wait in waits]})
    else:
        for record in found:
            typer.echo(f"{line(record)}  {acknowledgements.words(record, answers)}".rstrip())
        for wait in waits:
            typer.echo(f"{wait.batch_id}  {wait.network}  waits: {wait.text}")
    if any(needs_operator(record) for record in found):
        raise typer.Exit(DONE_WITH_FINDINGS)


@app.command()
def retry(
    batch: Annotated[str, typer.Argument(help="The batch, as `deliveries list` shows it.")],
    network: Annotated[
        str, typer.Argument(help="Its network: visa, mastercard, amex or discover.")
    ],
    *,
    received: Annotated[
        bool, typer.Option("--received", help="The card company has it: record that, send nothing.")
    ] = False,
    send_again: Annotated[
        bool, typer.Option("--send-again", help="The card company does not have it: send it.")
    ] = False,
    by: ByOption = None,
    json_output: JsonOption = False,
) -> None:
    """Deliver a file that failed or was interrupted. Who asked for it is kept.

    A file that may have been collected is not sent without --received or --send-again.
    """
    if network not in NETWORKS:
        raise CommandError(f"NETWORK must be one of {', '.join(NETWORKS)}.")
    record = _retried(
        batch, network, _word(received=received, send_again=send_again), person_of(by)
    )
    if json_output:
        print_json(described(record))
    else:
        say(line(record))
    if record.state is not DeliveryState.DELIVERED:
        raise typer.Exit(DONE_WITH_FINDINGS)


def described(record: ChargebackFileRecord) -> dict[str, object]:
    """A delivery for `--json`."""
    return {
        "batch": record.batch_id,
        "network": record.network,
        "program": record.program,
        "destination": record.destination,
        "sequence": record.sequence,
        "file": record.file_name,
        "rows": record.row_count,
        "totals": dict(record.totals_minor),
        "sha256": record.content_sha256,
        "state": record.state.value,
        "delivered": record.state is DeliveryState.DELIVERED,
        "verified": record.state is DeliveryState.DELIVERED,
        "remote_path": record.remote_path,
        "attempts": record.attempt_count,
        "last_error": record.last_error,
        "encrypted_sha256": record.encrypted_sha256,
        "encrypted_for": record.encrypted_for,
        "counts_on": record.counts_on,
    }


def line(record: ChargebackFileRecord) -> str:
    """A delivery for people."""
    totals = ", ".join(
        f"{format_amount(amount_minor, currency)} {currency}"
        for currency, amount_minor in sorted(record.totals_minor.items())
    )
    verified = " verified" if record.state is DeliveryState.DELIVERED else ""
    return (
        f"{record.batch_id}  {record.network}  {record.file_name}  {record.state.value}  "
        f"sequence {record.sequence}  {record.row_count} rows  {totals}  "
        f"{record.content_sha256[:12]}{verified}  {record.attempt_count} attempts  "
        f"{record.last_error or ''}"
    ).rstrip()


def _described_wait(wait: SlotWait) -> dict[str, object]:
    return {
        "batch": wait.batch_id,
        "network": wait.network,
        "reason": wait.reason,
        "rows": wait.row_count,
        "since": wait.since.isoformat(),
    }


def needs_operator(record: ChargebackFileRecord) -> bool:
    """Whether no retry is scheduled any more, or the last attempt failed."""
    stuck = record.state in {DeliveryState.FAILED, DeliveryState.DELIVERED_UNCONFIRMED}
    return stuck or bool(record.last_error)


def _word(*, received: bool, send_again: bool) -> OperatorWord | None:
    if received and send_again:
        raise CommandError("--received and --send-again contradict each other: give one of them.")
    if received:
        return OperatorWord.RECEIVED
    return OperatorWord.SEND_AGAIN if send_again else None


def _retried(
    batch: str, network: str, word: OperatorWord | None, said_by: str
) -> ChargebackFileRecord:
    adapters = Adapters(Settings.load())
    service = DeliveryService(
        processed_store=adapters.processed_store,
        ledger=adapters.delivery_ledger,
        destinations=adapters.destinations,
        notifier=adapters.notifier,
        breakers=adapters.breakers,
        clock=adapters.database_clock,
        report=say,
    )
    try:
        record = service.retry(batch, network, word, said_by)
    except OperatorWordNeededError as error:
        raise CommandError(str(error)) from None
    if record is None:
        raise CommandError(
            f"Batch {batch} has no file for {network}; `cardops deliveries list` shows them all."
        )
    return record
