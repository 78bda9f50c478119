"""`cardops calendar`: which files senders should deliver when, and which are missing."""

import re
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Annotated, Any

import typer

from cardops.bootstrap import Adapters
from cardops.rules.intake.expected_files import (
    ExpectedFile,
    JudgedDueFile,
    absent_sentence,
    days_text,
    parse_days,
)
from cardops.rules.intake.files import DEFAULT_PROGRAM, Kind
from cardops.settings import Settings
from orchestration.cli.commands.submit import KIND_OPTION
from orchestration.cli.output import (
    DONE,
    DONE_WITH_FINDINGS,
    CommandError,
    JsonOption,
    print_json,
    say,
)
from orchestration.cli.people import person_of
from orchestration.composition import expected_files_of

app = typer.Typer(no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Name of the expected file, such as bank-morning.")]
ProgramOption = Annotated[str, typer.Option(help="Card program that the file belongs to.")]
ByOption = Annotated[
    str | None, typer.Option(help="Who requested it; by default you, on this machine.")
]


@app.callback()
def _calendar() -> None:
    """Say which files are due when, and list those that are missing."""


@app.command()
def add(  # noqa: PLR0913 - one parameter an option
    name: Name,
    *,
    kind: Annotated[str, KIND_OPTION],
    due: Annotated[str, typer.Option(help="By when it must be there, such as 09:30.")],
    program: ProgramOption = DEFAULT_PROGRAM,
    zone: Annotated[str, typer.Option(help="Time zone of the due time.")] = "UTC",
    days: Annotated[
        str, typer.Option(help="daily, mon-fri, mon,thu, 1,15,last, or both kinds together.")
    ] = "daily",
    pattern: Annotated[
        str,
        typer.Option(help="Its name, with * and ?, and %Y %m %d for the date on which it is due."),
    ] = "*",
    holidays: Annotated[
        str | None,
        typer.Option(help="Not due on these holidays: AT, DE-BY, or XECB for bank holidays."),
    ] = None,
    grace: Annotated[int, typer.Option(help="Minutes after the due time until the alarm.")] = 0,
    may_be_empty: Annotated[
        bool, typer.Option("--may-be-empty", help="A file without rows counts as arrived.")
    ] = False,
    by: ByOption = None,
    json_output: JsonOption = False,
) -> None:
    """Expect a file from now on; an alarm is raised when it is late."""
    found_days = parse_days(days)
    if found_days is None:
        raise CommandError(
            f"--days {days!r} was not understood; write daily, mon-fri, mon,thu or 1,15,last."
        )
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name):
        raise CommandError("NAME may have 1 to 64 letters, digits, dots, hyphens and underscores.")
    if not 0 <= grace <= MAX_GRACE_MINUTES:
        raise CommandError(f"--grace must be 0 to {MAX_GRACE_MINUTES} minutes.")
    expected = ExpectedFile(
        program=program,
        name=name,
        kind=Kind(kind),
        due_at=_time_of_day(due),
        name_pattern=pattern,
        time_zone=zone,
        days=found_days,
        holidays=holidays,
        grace_minutes=grace,
        created_by=person_of(by),
        may_be_empty=may_be_empty,
    )
    adapters = Adapters(Settings.load())
    if adapters.programs.find(program) is None:
        raise CommandError(f"There is no program {program}; `cardops program list` shows them.")
    expected_files_of(adapters).add(expected)
    if json_output:
        print_json(described(expected))
    else:
        say(f"{_line(expected)} is expected from now on.")


@app.command()
def remove(
    name: Name,
    *,
    program: ProgramOption = DEFAULT_PROGRAM,
    by: ByOption = None,
    json_output: JsonOption = False,
) -> None:
    """Expect a file no longer; what was due before stays due."""
    expected_files_of(Adapters(Settings.load())).remove(program, name, person_of(by))
    if json_output:
        print_json({"program": program, "name": name, "removed": True})
    else:
        say(f"{name} of {program} is expected no longer.")


@app.command("list")
def list_expected(*, json_output: JsonOption = False) -> None:
    """List the expected files."""
    found = Adapters(Settings.load()).expected_files.all()
    if json_output:
        print_json({"data": [described(expected) for expected in found]})
        return
    for expected in found:
        typer.echo(_line(expected))
    if not found:
        typer.echo("No file is expected; `cardops calendar add` adds one.")


@app.command("due")
def list_due(
    *,
    on: Annotated[
        str | None, typer.Option("--date", help="Business date (UTC), by default today.")
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """List the files due on a date; exit code 1 where one is late and still missing."""
    service = expected_files_of(Adapters(Settings.load()))
    now = service.clock.now()
    judged = service.due_on(_date(on) if on else now.date())
    late = [file for file in judged if file.is_absent and file.due.late_at < now]
    if json_output:
        print_json({"data": [_described_due(file) for file in judged]})
    else:
        for file in judged:
            typer.echo(_due_line(file))
        for file in late:
            typer.echo(absent_sentence(file))
        if not judged:
            typer.echo(
                "No file is due on that date; `cardops calendar list` shows what is expected."
            )
    raise typer.Exit(DONE_WITH_FINDINGS if late else DONE)


@app.command("missing")
def list_missing(*, json_output: JsonOption = False) -> None:
    """List every due file that is late and brought nothing, however old; exit code 1 if any."""
    missing = expected_files_of(Adapters(Settings.load())).missing()
    if json_output:
        print_json({"data": [_described_due(file) for file in missing]})
    else:
        for file in missing:
            typer.echo(_due_line(file))
            typer.echo(f"  {absent_sentence(file)}")
        if not missing:
            typer.echo("No expected file is missing.")
    raise typer.Exit(DONE_WITH_FINDINGS if missing else DONE)


@app.command()
def waive(
    name: Name,
    *,
    on: Annotated[str, typer.Option("--date", help="The date on which it was due.")],
    why: Annotated[str, typer.Option(help="Why no file is to come; it is recorded.")],
    program: ProgramOption = DEFAULT_PROGRAM,
    by: ByOption = None,
    json_output: JsonOption = False,
) -> None:
    """Say that one due file is not to come, so that its date is complete without it."""
    if not why.strip():
        raise CommandError("--why is empty; say why the file is not to come.")
    waived_by, due_on = person_of(by), _date(on)
    service = expected_files_of(Adapters(Settings.load()))
    service.waive(program, name, due_on, waived_by, why.strip())
    if json_output:
        print_json({"program": program, "name": name, "date": due_on, "waived_by": waived_by})
    else:
        say(f"{name} of {program} is not awaited for {due_on}.")


MAX_GRACE_MINUTES = 7 * 24 * 60


def described(expected: ExpectedFile) -> Mapping[str, Any]:
    """An entry for `--json`."""
    return {
        "program": expected.program,
        "name": expected.name,
        "kind": expected.kind,
        "pattern": expected.name_pattern,
        "due": f"{expected.due_at:%H:%M}",
        "zone": expected.time_zone,
        "days": days_text(expected.days),
        "holidays": expected.holidays,
        "grace_minutes": expected.grace_minutes,
        "may_be_empty": expected.may_be_empty,
        "created_by": expected.created_by,
    }


def _described_due(file: JudgedDueFile) -> Mapping[str, Any]:
    due = file.due
    return {
        "program": due.expected.program,
        "name": due.expected.name,
        "kind": due.expected.kind,
        "date": due.due_on,
        "due_at": due.due_at.isoformat(),
        "state": file.state.value,
        "intake_id": file.arrived.intake_id if file.arrived else None,
        "file": file.arrived.key if file.arrived else None,
    }


def _due_line(file: JudgedDueFile) -> str:
    arrived = file.arrived.key if file.arrived else ""
    when = f"{file.due.due_at:%Y-%m-%d %H:%M} UTC"
    expected = file.due.expected
    return f"{file.state.value:9} {when}  {expected.program}/{expected.name}  {arrived}"


def _line(expected: ExpectedFile) -> str:
    holidays = f", not on holidays of {expected.holidays}" if expected.holidays else ""
    return (
        f"{expected.program}/{expected.name}: {expected.kind} file {expected.name_pattern}, "
        f"{days_text(expected.days)} by {expected.due_at:%H:%M} {expected.time_zone}, "
        f"{expected.grace_minutes} minutes of grace{holidays}"
    )


def _time_of_day(text: str) -> time:
    try:
        return datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007 - the zone is another option
    except ValueError:
        raise CommandError(f"--due {text!r} is no time of day; write it as 09:30.") from None


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{text!r} is no date; write it as 2026-11-30.") from None
