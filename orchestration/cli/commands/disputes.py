"""`cardops disputes`: the work queue, and what an operator does with a dispute."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from cardops.bootstrap import Adapters
from cardops.rules.chargebacks.disputes import Stage
from cardops.rules.chargebacks.queue import Opening, RecordKind
from cardops.rules.chargebacks.routing import MIXED, NETWORKS
from cardops.services.disputes.history import DisputeHistory
from cardops.services.disputes.queue import QueueSelection
from cardops.services.disputes.recording import CaseName
from cardops.settings import Settings
from orchestration.cli import dispute_evidence
from orchestration.cli.dispute_options import ByOption, Case, NetworkOption, ProgramOption
from orchestration.cli.dispute_views import (
    described,
    described_history,
    described_record,
    history_lines,
    part_lines,
    record_line,
)
from orchestration.cli.output import (
    DONE,
    DONE_WITH_FINDINGS,
    CommandError,
    JsonOption,
    print_json,
    say,
)
from orchestration.cli.people import person_of
from orchestration.cli.waiting_disputes import delivered
from orchestration.composition import (
    acceptances_of,
    deadline_alarms_of,
    dispute_histories_of,
    dispute_queue_of,
    dispute_recording_of,
)

app = typer.Typer(no_args_is_help=True)
app.add_typer(dispute_evidence.app, name="evidence")
# For people; programs get all.
SHOWN_ROWS = 50
WhyOption = Annotated[str, typer.Option(help="Why; it is recorded.")]


@app.callback()
def _disputes() -> None:
    """Show which disputes are to be answered, and record what is done about them."""


@app.command("list")
def list_disputes(  # noqa: PLR0913 - one parameter an option
    *,
    due_within: Annotated[
        int | None, typer.Option(help="Only disputes to answer within so many days.")
    ] = None,
    overdue: Annotated[
        bool, typer.Option("--overdue", help="Only disputes whose last day has passed.")
    ] = False,
    unassigned: Annotated[
        bool, typer.Option("--unassigned", help="Only disputes that nobody works on.")
    ] = False,
    decided: Annotated[
        bool,
        typer.Option("--decided", help="Disputes that were accepted or closed here, still open."),
    ] = False,
    program: Annotated[str | None, typer.Option(help="Only of this card program.")] = None,
    network: Annotated[str | None, typer.Option(help="Only of this card company.")] = None,
    stage: Annotated[str | None, typer.Option(help="Only at this stage.")] = None,
    owner: Annotated[str | None, typer.Option(help="Only of this owner.")] = None,
    limit: Annotated[
        int | None, typer.Option(help="Rows of each part; 0 for all. With --json all by default.")
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """List open disputes: those to answer, nearest deadline first, and overdue ones apart."""
    if due_within is not None and due_within < 0:
        raise CommandError("--due-within must be 0 or more days; --overdue lists what is overdue.")
    if limit is not None and limit < 0:
        raise CommandError("--limit must be 0 or more rows.")
    if network is not None and network not in {*NETWORKS, MIXED}:
        raise CommandError(f"--network must be one of {', '.join((*NETWORKS, MIXED))}.")
    if stage is not None and stage not in set(Stage):
        raise CommandError(f"--stage must be one of {', '.join(Stage)}.")
    selection = QueueSelection(
        program=program,
        network=network,
        stage=stage,
        owner=owner,
        due_within=due_within,
        is_overdue=overdue,
        is_unassigned=unassigned,
        is_decided=decided,
    )
    queue = dispute_queue_of(Adapters(Settings.load())).queue(selection)
    parts = queue.parts()
    if json_output:
        rows = [
            described(row)
            for part in parts.values()
            for row in part.head(limit or len(part)).iter_rows(named=True)
        ]
        counts = {name: len(part) for name, part in parts.items()}
        print_json(
            {
                "as_of": queue.as_of,
                "data": rows,
                **counts,
                "more": sum(counts.values()) - len(rows),
            }
        )
        return
    shown = SHOWN_ROWS if limit is None else limit
    for name, part in parts.items():
        found = part.head(shown or len(part))
        for line in part_lines(
            name, list(found.iter_rows(named=True)), len(part), _all_of(selection)
        ):
            typer.echo(line)


def _all_of(selection: QueueSelection) -> str:
    """The command that lists everything of the selection."""
    values = {
        "--due-within": selection.due_within,
        "--program": selection.program,
        "--network": selection.network,
        "--stage": selection.stage,
        "--owner": selection.owner,
    }
    switches = {
        "--overdue": selection.is_overdue,
        "--unassigned": selection.is_unassigned,
        "--decided": selection.is_decided,
    }
    words = [f"{name} {value}" for name, value in values.items() if value is not None]
    words += [name for name, is_on in switches.items() if is_on]
    return " ".join(["cardops disputes list", *words, "--limit 0"])


@app.command()
def show(
    case: Case,
    *,
    program: ProgramOption = None,
    network: NetworkOption = None,
    html: Annotated[
        Path | None, typer.Option(help="Write it as one HTML page to this file, over an older one.")
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Show all of one dispute: its steps, money, clock, files, and what was recorded about it."""
    adapters = Adapters(Settings.load())
    history = dispute_histories_of(adapters).of_case(CaseName(case, program, network))
    if html is not None:
        _write_page(html, history, adapters.database_clock.now())
    if json_output:
        print_json(described_history(history))
        return
    if html is not None:
        typer.echo(html)
        return
    for line in history_lines(history):
        typer.echo(line)


def _write_page(path: Path, history: DisputeHistory, now: datetime) -> None:
    from cardops.services.reports.dispute_page import render_dispute  # noqa: PLC0415 - jinja2

    try:
        path.write_text(render_dispute(history, now), encoding="utf-8")
    except OSError as error:
        raise CommandError(
            f"The page cannot be written to {path}: {error.strerror}; name a file in a folder that "
            "exists and that you may write to."
        ) from None


@app.command()
def assign(  # noqa: PLR0913 - one parameter an option
    case: Case,
    *,
    to: Annotated[str | None, typer.Option(help="Who works on it from now on.")] = None,
    nobody: Annotated[bool, typer.Option("--nobody", help="Nobody works on it any more.")] = False,
    why: Annotated[str, typer.Option(help="Why, if it is worth saying.")] = "",
    program: ProgramOption = None,
    network: NetworkOption = None,
    by: ByOption = None,
    json_output: JsonOption = False,
) -> None:
    """Say who works on a dispute."""
    if (to is None) is not nobody:
        raise CommandError("Say who works on it: either --to NAME or --nobody.")
    name = CaseName(case, program, network)
    _record(name, RecordKind.ASSIGN, by, why, json_output=json_output, owner=to)


@app.command()
def note(
    case: Case,
    text: Annotated[str, typer.Argument(help="What to remember about it.")],
    *,
    program: ProgramOption = None,
    network: NetworkOption = None,
    by: ByOption = None,
    json_output: JsonOption = False,
) -> None:
    """Add a note to a dispute, open or ended."""
    name = CaseName(case, program, network)
    _record(name, RecordKind.NOTE, by, text, json_output=json_output)


@app.command()
def alarms(*, json_output: JsonOption = False) -> None:
    """Raise the alarms of deadlines that are due now, each once.

    The hourly sensor does the same. Exit code 1 where alarms may not have been sent.
    """
    adapters = Adapters(Settings.load())
    found = deadline_alarms_of(adapters).raise_due(adapters.notifier)
    lists = {"raised": found.raised, "unconfirmed": found.unconfirmed}
    rows = {
        name: [
            {
                **_named(alarm.opening),
                "reply_by": alarm.reply_by_on,
                "level": str(alarm.level),
            }
            for alarm in alarms
        ]
        for name, alarms in lists.items()
    }
    if json_output:
        print_json(rows)
    else:
        for name, members in rows.items():
            say(f"{name}: {len(members):,}")
            for row in members:
                typer.echo(
                    f"{row['level']}  {row['reply_by']}  {row['program']}/{row['network']}/{row['case_number']}"
                )
    raise typer.Exit(DONE_WITH_FINDINGS if found.unconfirmed else DONE)


@app.command()
def acceptances(*, json_output: JsonOption = False) -> None:
    """Send acceptances that no card company was told of, in one batch a program.

    A sensor does the same within a quarter of an hour. Exit code 1 where a file was not delivered.
    """
    adapters = Adapters(Settings.load())
    found = acceptances_of(adapters).send()
    batches = list(dict.fromkeys(package.batch_id for package in found.sent))
    files = [file for batch_id in batches for file in delivered(adapters, batch_id)]
    if json_output:
        sent = [
            {**_named(package.opening), "batch": package.batch_id, "by": package.sent_by}
            for package in found.sent
        ]
        waiting = [_named(record.request.opening) for record in found.waiting]
        print_json({"sent": sent, "waiting": waiting, "files": files})
    else:
        for package in found.sent:
            say(f"{package.opening.dispute.case_number}: accepted in batch {package.batch_id}")
        for record in found.waiting:
            case = record.request.opening.dispute.case_number
            say(
                f"{case}: is in no chargeback file yet, so nothing was sent; "
                "`cardops deliveries waiting` says why"
            )
        say(f"Acceptances sent: {len(found.sent):,}; waiting: {len(found.waiting):,}")
    if not all(file["delivered"] for file in files):
        raise typer.Exit(DONE_WITH_FINDINGS)


def _named(opening: Opening) -> dict[str, str]:
    dispute = opening.dispute
    return {
        "program": dispute.program,
        "network": dispute.network,
        "case_number": dispute.case_number,
        "stage": opening.stage,
    }


def _decision(kind: RecordKind, explanation: str) -> None:
    """Add the command that records such a decision."""

    def decide(
        case: Case,
        *,
        why: WhyOption,
        program: ProgramOption = None,
        network: NetworkOption = None,
        by: ByOption = None,
        json_output: JsonOption = False,
    ) -> None:
        name = CaseName(case, program, network)
        _record(name, kind, by, why, json_output=json_output)

    app.command(kind.value, help=explanation)(decide)


_decision(
    RecordKind.ACCEPT,
    "Accept a dispute: the money stays with the cardholder. The card company is told within a quarter "
    "of an hour, or at once by `acceptances`. It cannot be taken back.",
)
_decision(
    RecordKind.CLOSE,
    "Take a dispute out of the queue, for one that is handled elsewhere; nothing is sent.",
)
_decision(RecordKind.REOPEN, "Put a dispute that was closed here back into the queue.")


def _record(
    case: CaseName,
    kind: RecordKind,
    by: str | None,
    text: str,
    *,
    json_output: bool,
    owner: str | None = None,
) -> None:
    recording = dispute_recording_of(Adapters(Settings.load()))
    record, is_new = recording.record(case, kind, by=person_of(by), text=text.strip(), owner=owner)
    if json_output:
        key = record.request.opening.dispute
        print_json(
            {
                "program": key.program,
                "network": key.network,
                "case_number": key.case_number,
                **described_record(record),
                "changed": is_new,
            }
        )
    else:
        say(f"{case.case_number}: {record_line(record)}" + ("" if is_new else " (known already)"))
        if record.kind is RecordKind.ACCEPT and is_new:
            say(
                "The card company is told within a quarter of an hour while `cardops up` runs; "
                "`cardops disputes acceptances` tells it now."
            )
