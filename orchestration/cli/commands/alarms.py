"""`cardops alarms`: incidents that need a person, who sees to them, and where alarms are sent."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from cardops.bootstrap import Adapters
from cardops.ports import AlarmChannel
from cardops.rules.alarms.incidents import IncidentEvent, IncidentState, Severity
from cardops.rules.alarms.messages import CHANNELS_SECRET, ESCALATED, RESERVED, AlarmMessage
from cardops.rules.alarms.records import ChannelError, IncidentRecord
from cardops.settings import Settings
from orchestration.account import whoami
from orchestration.cli.output import (
    DONE,
    DONE_WITH_FINDINGS,
    CommandError,
    JsonOption,
    print_json,
    say,
)
from orchestration.cli.people import person_of

app = typer.Typer(no_args_is_help=True)
MAX_LISTED: Final = 1_000
UNRESOLVED: Final = frozenset({IncidentState.OPEN, IncidentState.ACKNOWLEDGED})
NumberArgument = Annotated[int, typer.Argument(metavar="ID", help="Number of the alarm.")]
ByOption = Annotated[str | None, typer.Option(help="Who says so; by default you, on this machine.")]


class StateOption(StrEnum):
    """Which alarms to list."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    ALL = "all"


@app.callback()
def _alarms() -> None:
    """List alarms, one an incident; acknowledge and resolve them; say where they are sent."""


@app.command("list")
def list_alarms(
    *,
    state: Annotated[
        StateOption | None, typer.Option(help="By default those that are not resolved.")
    ] = None,
    severity: Annotated[Severity | None, typer.Option(help="Only those as severe.")] = None,
    about: Annotated[
        str | None, typer.Option(help="Only those whose key begins so, such as delivery:")
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """List alarms, the worst first: one line an incident, however often it was seen."""
    ledger = Adapters(Settings.load()).incidents
    found = [
        record
        for record in ledger.all(_states(state), MAX_LISTED)
        if severity in {None, record.incident.severity}
        and record.incident.key.startswith(about or "")
    ]
    if json_output:
        print_json({"data": [described(record) for record in found]})
        return
    if not found:
        is_whole = state is None and severity is None and about is None
        typer.echo("No alarm is open." if is_whole else "There is no such alarm.")
        return
    now = ledger.now()
    rows: list[tuple[str, ...]] = [("ID", "SEVERITY", "STATE", "AGE", "SEEN", "RUNBOOK", "ALARM")]
    rows += [_row(record, now) for record in found]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        typer.echo("  ".join([*cells, row[-1]]))
    typer.echo(
        "`cardops alarms show ID` tells all of one, `cardops alarms ack ID` says you see to it."
    )


@app.command()
def show(number: NumberArgument, *, json_output: JsonOption = False) -> None:
    """Show what an alarm says, what happened to it, and who could not be told."""
    adapters = Adapters(Settings.load())
    record = _found(adapters, number)
    if json_output:
        print_json(described(record))
        return
    incident, now = record.incident, adapters.incidents.now()
    typer.echo(f"{incident.subject}\n\n{incident.message}\n")
    typer.echo(f"What to do: {incident.runbook or 'no runbook; see docs/runbooks/README.md'}")
    typer.echo(f"Severity: {incident.severity}")
    typer.echo(f"State: {_state_words(record)}")
    typer.echo(
        f"Seen: {_times(incident.seen_count)}, first {_minute(incident.first_seen_at)}, last "
        f"{_minute(incident.last_seen_at)} ({age(now - incident.last_seen_at)} ago)"
    )
    for entry in record.history:
        who = f" by {entry.actor}" if entry.actor else ""
        typer.echo(f"  {_minute(entry.at)}  {entry.event}{who}: {entry.text}".rstrip(": "))
    for unsent in record.unsent:
        typer.echo(
            f"  Not sent to {unsent.channel} ({unsent.event}, {unsent.attempt_count} tries): "
            f"{unsent.last_error}"
        )


@app.command()
def ack(
    numbers: Annotated[list[int], typer.Argument(metavar="ID...", help="Numbers of the alarms.")],
    *,
    note: Annotated[str | None, typer.Option(help="What you are doing about it.")] = None,
    by: ByOption = None,
    json_output: JsonOption = False,
) -> None:
    """Say that you see to an alarm: it does not escalate, unless it becomes worse or comes back."""
    adapters = Adapters(Settings.load())
    who = person_of(by)
    for number in numbers:
        record = _found(adapters, number)
        if record.incident.state is IncidentState.RESOLVED:
            raise CommandError(
                f"Alarm {number} is resolved ({record.incident.resolution}); nothing is to be done."
            )
    for number in numbers:
        adapters.incidents.acknowledge(number, who, note)
    _print_changed(adapters, numbers, f"acknowledged by {who}", json_output=json_output)


@app.command()
def resolve(
    number: NumberArgument,
    *,
    why: Annotated[str, typer.Option(help="How you know that it is over; it is recorded.")],
    by: ByOption = None,
    json_output: JsonOption = False,
) -> None:
    """Say that the cause of an alarm is gone; it opens again where it is seen again."""
    if not why.strip():
        raise CommandError("--why is empty; say how you know that it is over.")
    adapters = Adapters(Settings.load())
    record, who = _found(adapters, number), person_of(by)
    adapters.notifier.resolve_by(record.incident.key, why.strip(), who)
    if _found(adapters, number).incident.state is not IncidentState.RESOLVED:
        raise CommandError(
            f"Alarm {number} was not resolved; the log above says why. Run the command again."
        )
    _print_changed(adapters, [number], f"resolved by {who}", json_output=json_output)


@app.command()
def channels(
    *,
    test: Annotated[bool, typer.Option("--test", help="Send a test alarm to each.")] = False,
    json_output: JsonOption = False,
) -> None:
    """List where alarms are sent; exit code 1 where a test alarm was not taken."""
    adapters = Adapters(Settings.load())
    found = adapters.alarm_channels.all()
    message = _test_message(adapters.clock.now())
    errors = {channel.name: _error_of(channel, message) for channel in found} if test else {}
    rows = [
        {
            "name": channel.name,
            "hears_of": "escalations" if channel.is_for_escalations else "everything",
            **({"error": errors[channel.name]} if test else {}),
        }
        for channel in found
    ]
    if json_output:
        print_json({"data": rows})
    else:
        for row in rows:
            result = f"  {row['error'] or 'took the test alarm'}" if test else ""
            typer.echo(f"{row['name']:12} hears of {row['hears_of']}{result}")
    raise typer.Exit(DONE_WITH_FINDINGS if any(errors.values()) else DONE)


@app.command("set-channel")
def set_channel(
    name: Annotated[str, typer.Argument(help="Name of the channel, such as ops-mail.")],
    *,
    escalated: Annotated[
        bool, typer.Option("--escalated", help="Only alarms that nobody acknowledged in time.")
    ] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Send no more alarms there.")] = False,
    json_output: JsonOption = False,
) -> None:
    """Send alarms to the URL on standard input, as apprise writes it: mailtos://… or jsons://… for example.

    It may hold a password, so it is kept with the secrets and never printed.
    """
    if name in RESERVED:
        raise CommandError(f"{name} is the name of a channel that needs no URL; choose another.")
    secrets = Adapters(Settings.load()).secrets
    stored = dict(secrets.get(CHANNELS_SECRET) or {})
    if remove:
        if stored.pop(name, None) is None:
            raise CommandError(f"There is no channel {name}; `cardops alarms channels` lists them.")
    else:
        stored[name] = {"url": _url(), "when": ESCALATED if escalated else "always"}
    secrets.put(CHANNELS_SECRET, stored)
    if json_output:
        print_json({"name": name, "removed": remove})
    else:
        what = (
            "gets no more alarms"
            if remove
            else "gets alarms; `cardops alarms channels --test` tries it"
        )
        say(f"{name} {what}. Processes that run know it within a minute.")


def described(record: IncidentRecord) -> Mapping[str, Any]:
    """An alarm for `--json`."""
    incident = record.incident
    return {
        "id": incident.incident_id,
        "incident": incident.key,
        "state": incident.state,
        "severity": incident.severity,
        "subject": incident.subject,
        "message": incident.message,
        "runbook": incident.runbook,
        "count": incident.seen_count,
        "first_seen_at": _stamp(incident.first_seen_at),
        "opened_at": _stamp(incident.opened_at),
        "last_seen_at": _stamp(incident.last_seen_at),
        "opened_count": incident.opened_count,
        "escalated_at": _stamp(incident.escalated_at),
        "acknowledged_by": incident.acknowledged_by,
        "acknowledged_at": _stamp(incident.acknowledged_at),
        "note": incident.note,
        "resolved_by": incident.resolved_by,
        "resolved_at": _stamp(incident.resolved_at),
        "resolution": incident.resolution,
        "not_sent_to": sorted({unsent.channel for unsent in record.unsent}),
        **(
            {
                "history": [
                    {"at": _stamp(entry.at), "event": entry.event, "by": entry.actor,
                     "text": entry.text}
                    for entry in record.history
                ]
            }
            if record.history
            else {}
        ),
    }  # fmt: skip


def age(passed: timedelta) -> str:
    """How long ago, in its largest unit: 45s, 12m, 3h, 9d."""
    seconds = max(0, int(passed.total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def _row(record: IncidentRecord, now: datetime) -> tuple[str, ...]:
    incident = record.incident
    unsent = sorted({unsent.channel for unsent in record.unsent})
    runbook = (incident.runbook or "-").rpartition("/")[2]
    return (
        str(incident.incident_id),
        incident.severity.value,
        incident.state.value + (" (escalated)" if incident.escalated_at else ""),
        age(now - incident.opened_at),
        str(incident.seen_count),
        runbook,
        incident.subject + (f" [not sent to {', '.join(unsent)}]" if unsent else ""),
    )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _state_words(record: IncidentRecord) -> str:
    incident = record.incident
    if incident.state is IncidentState.ACKNOWLEDGED and incident.acknowledged_at:
        note = f": {incident.note}" if incident.note else ""
        return (
            f"acknowledged by {incident.acknowledged_by}, {_minute(incident.acknowledged_at)}{note}"
        )
    if incident.state is IncidentState.RESOLVED and incident.resolved_at:
        by = f" by {incident.resolved_by}" if incident.resolved_by else ""
        return f"resolved{by}, {_minute(incident.resolved_at)}: {incident.resolution}"
    return "open" + (", escalated" if incident.escalated_at else "")


def _states(state: StateOption | None) -> frozenset[IncidentState]:
    if state is None:
        return UNRESOLVED
    return (
        frozenset(IncidentState) if state is StateOption.ALL else frozenset({IncidentState(state)})
    )


def _found(adapters: Adapters, number: int) -> IncidentRecord:
    record = adapters.incidents.find(number)
    if record is None:
        raise CommandError(
            f"There is no alarm {number}; `cardops alarms list --state all` lists them."
        )
    return record


def _print_changed(adapters: Adapters, numbers: list[int], what: str, *, json_output: bool) -> None:
    if json_output:
        print_json({"data": [described(_found(adapters, number)) for number in numbers]})
    else:
        for number in numbers:
            say(f"Alarm {number} is {what}.")


def _test_message(now: datetime) -> AlarmMessage:
    return AlarmMessage(
        message_id=0,
        incident_id=0,
        incident="test",
        channel="",
        event=IncidentEvent.OPENED,
        severity=Severity.WARNING,
        subject="Test alarm of Cardops",
        message=f"{whoami()} tries whether alarms arrive here. Nothing is to be done.",
        runbook=None,
        told_at=now,
    )


def _error_of(channel: AlarmChannel, message: AlarmMessage) -> str | None:
    try:
        channel.send(replace(message, channel=channel.name))
    except ChannelError as error:
        return str(error)
    return None


def _url() -> str:
    if sys.stdin.isatty():
        say("Enter the URL, such as mailtos://user:password@mail.example.com?to=ops@example.com")
    url = sys.stdin.readline().strip()
    if "://" not in url:
        raise CommandError(
            "Standard input has no URL; write one as apprise has it, such as "
            "mailtos://user:password@mail.example.com?to=ops@example.com or jsons://host/path."
        )
    return url


def _stamp(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
