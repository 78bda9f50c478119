"""`cardops callbacks`: send, list, show and replay callbacks; list and enable endpoints."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Final, TypeVar

import typer

from cardops.bootstrap import Adapters, CallbackAdapters
from cardops.rules.callbacks.archives import ArchivedTable, day_of
from cardops.rules.callbacks.callbacks import (
    Callback,
    CallbackAttempt,
    CallbackSelection,
    CallbackState,
)
from cardops.rules.callbacks.endpoints import endpoint_of
from cardops.services.callbacks.upkeep import incident_of_endpoint
from cardops.settings import Settings
from orchestration.account import whoami
from orchestration.cli.callback_views import (
    archived_view,
    attempt_line,
    callback_line,
    callback_view,
    endpoint_line,
    endpoint_view,
)
from orchestration.cli.known_programs import administration
from orchestration.cli.output import (
    DONE_WITH_FINDINGS,
    CommandError,
    JsonOption,
    print_json,
    say,
)

MAX_LISTED: Final = 1_000
EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)

Result = TypeVar("Result")

app = typer.Typer(no_args_is_help=True)
Program = Annotated[str | None, typer.Option(help="Only this program's.")]
Since = Annotated[
    str | None,
    typer.Option(metavar="DATE|INSTANT", help="Created at or after this, ISO 8601 in UTC."),
]
Until = Annotated[
    str | None,
    typer.Option(metavar="DATE|INSTANT", help="Created before this; now unless given."),
]


@app.command()
def run(
    *,
    once: Annotated[bool, typer.Option("--once", help="Send what is due now, then end.")] = False,
    json_output: JsonOption = False,
) -> None:
    """Send callbacks until Ctrl-C."""
    from authorizer.logs import set_up_logs  # noqa: PLC0415 - the other commands do not send
    from orchestration.cli.callback_sending import run_worker  # noqa: PLC0415

    set_up_logs()
    count = run_worker(Settings.load(), once=once)
    if json_output:
        print_json({"attempts": count})
    else:
        say(f"{count} attempts were made.")


@app.command("list")
def list_callbacks(
    *,
    program: Program = None,
    status: Annotated[
        str | None, typer.Option(help="Only pending, delivered or dead ones.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=MAX_LISTED, help="Highest number of callbacks to list.")
    ] = 100,
    attempts: Annotated[bool, typer.Option("--attempts", help="Show each attempt.")] = False,
    json_output: JsonOption = False,
) -> None:
    """List callbacks, newest first. Exit code 1 if any of them is dead."""
    state = state_named(status)
    check_program(program)

    async def read(
        adapters: CallbackAdapters,
    ) -> tuple[list[Callback], str | None, list[CallbackAttempt], int]:
        administration = adapters.administration
        page, cursor = await adapters.outbox.list_callbacks(program, state, None, limit)
        ids = [callback.callback_id for callback in page]
        log = await administration.attempts(ids) if attempts else []
        disabled = await administration.endpoints(program, only_disabled=True)
        return page, cursor, log, len(disabled)

    page, cursor, log, disabled_count = with_callbacks(read)
    if json_output:
        data = [
            callback_view(callback, attempts_at(callback, log) if attempts else None)
            for callback in page
        ]
        print_json({"data": data, "next_cursor": cursor, "disabled_endpoints": disabled_count})
    else:
        show(page, log)
    if disabled_count:
        say(
            f"{disabled_count} endpoints are disabled; list them with `cardops callbacks endpoints`."
        )
    if any(callback.state is CallbackState.DEAD for callback in page):
        raise typer.Exit(DONE_WITH_FINDINGS)


@app.command("show")
def show_one(
    callback_id: Annotated[
        str, typer.Argument(help="The callback's id, as `callbacks list` shows it.")
    ],
    *,
    json_output: JsonOption = False,
) -> None:
    """Show one callback with each of its attempts."""

    async def read(adapters: CallbackAdapters) -> tuple[Callback | None, list[CallbackAttempt]]:
        administration = adapters.administration
        return await administration.find(callback_id), await administration.attempts([callback_id])

    callback, log = with_callbacks(read)
    if callback is None:
        show_archived(callback_id, json_output=json_output)
        return
    if json_output:
        print_json(callback_view(callback, log))
    else:
        show([callback], log)


@app.command()
def replay(  # noqa: PLR0913 - a selection has as many parts
    callback_id: Annotated[
        str | None, typer.Argument(help="Id of one callback; --since selects several instead.")
    ] = None,
    *,
    program: Program = None,
    since: Since = None,
    until: Until = None,
    status: Annotated[
        str, typer.Option(help="With --since, only callbacks that are dead, delivered or pending.")
    ] = "dead",
    endpoint: Annotated[
        str | None, typer.Option(help="With --since, only callbacks to this URL.")
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Make one callback, or all of a range, pending and due now, with all attempts ahead.

    The partner receives the same webhook-id as before.
    """
    if (callback_id is None) == (since is None):
        raise CommandError("Name one callback by its id, or a range with --since (and --until).")
    check_program(program)
    if callback_id is None:
        selection = CallbackSelection(
            instant(since, EARLIEST),
            instant(until, datetime.now(UTC)),
            state_named(status) or CallbackState.DEAD,
            program,
            endpoint_of(endpoint) if endpoint else None,
        )
        if selection.until <= selection.since:
            raise CommandError(
                "--since is not before --until (now, unless given); exchange them or change one."
            )
        replay_range(selection, json_output=json_output)
        return
    if not with_callbacks(lambda adapters: adapters.outbox.replay(program, callback_id)):
        raise unknown_callback(callback_id)
    if json_output:
        print_json({"id": callback_id, "status": "pending"})
    else:
        say(f"Callback {callback_id} is pending again and due now.")


@app.command()
def endpoints(
    *,
    program: Program = None,
    failing: Annotated[
        bool, typer.Option("--failing", help="Also endpoints that fail but are not disabled yet.")
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """List disabled endpoints. Exit code 1 if there are any."""
    check_program(program)
    listed = with_callbacks(
        lambda adapters: adapters.administration.endpoints(program, only_disabled=not failing)
    )
    if json_output:
        print_json({"data": [endpoint_view(endpoint) for endpoint in listed]})
    else:
        for endpoint in listed:
            typer.echo(endpoint_line(endpoint))
    if any(endpoint.disabled_at for endpoint in listed):
        raise typer.Exit(DONE_WITH_FINDINGS)


@app.command()
def enable(
    endpoint: Annotated[str, typer.Argument(help="The endpoint's URL; a query is ignored.")],
    *,
    program: Program = None,
    json_output: JsonOption = False,
) -> None:
    """Enable a disabled endpoint. Callbacks that died meanwhile stay dead until `replay`."""
    check_program(program)
    count = with_callbacks(lambda adapters: adapters.administration.enable(program, endpoint))
    if not count:
        raise CommandError(
            f"No endpoint {endpoint} is failing or disabled; list them with "
            "`cardops callbacks endpoints --failing`."
        )
    end_alarms(program, endpoint_of(endpoint))
    if json_output:
        print_json({"endpoint": endpoint_of(endpoint), "programs": count})
    else:
        say(
            f"{endpoint} is enabled; replay its dead callbacks with "
            "`cardops callbacks replay --since …`."
        )


@app.command()
def archive(
    *,
    business_date: Annotated[
        datetime | None,
        typer.Option("--date", formats=["%Y-%m-%d"], help="As of this date; today unless given."),
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Move delivered callbacks and attempts to the lake once their retention has ended.

    The daily close does this too. Dead and pending callbacks stay.
    """
    from cardops.services.callbacks.archiving import CallbackArchiving  # noqa: PLC0415 - polars

    adapters = Adapters(Settings.load())
    archiving = CallbackArchiving(adapters.callback_archive, adapters.lake)
    day = (business_date or datetime.now(UTC)).date()
    rows = dict.fromkeys(map(str, ArchivedTable), 0)
    for part in archiving.archive_until(day):
        rows[part.table] += part.row_count
    if json_output:
        print_json(rows)
    else:
        say(
            f"{rows[ArchivedTable.CALLBACKS]} callbacks and {rows[ArchivedTable.ATTEMPTS]} attempts "
            "were archived to the lake."
        )


def replay_range(selection: CallbackSelection, *, json_output: bool) -> None:
    """Replay the selected callbacks, and warn when their endpoints are disabled."""

    async def work(adapters: CallbackAdapters) -> tuple[int, int]:
        administration = adapters.administration
        disabled = await administration.endpoints(selection.program, only_disabled=True)
        selected = [
            endpoint for endpoint in disabled if selection.endpoint in {None, endpoint.endpoint}
        ]
        return await administration.replay_selected(selection), len(selected)

    count, disabled_count = with_callbacks(work)
    if json_output:
        print_json({"replayed": count, "disabled_endpoints": disabled_count})
        return
    say(f"{count} callbacks are pending again and due now.")
    if disabled_count:
        say(
            f"{disabled_count} endpoints are disabled: callbacks to them die again at once. "
            "Run `cardops callbacks enable` first, then replay again."
        )


def check_program(name: str | None) -> None:
    """Raises CommandError when the program is unknown."""
    if name is not None:
        administration(Adapters(Settings.load())).find(name)


def with_callbacks(work: Callable[[CallbackAdapters], Awaitable[Result]]) -> Result:
    """The result of work on the outbox and its administration."""

    async def run_work() -> Result:
        async with Adapters(Settings.load()).callback_adapters() as adapters:
            return await work(adapters)

    return asyncio.run(run_work())


def end_alarms(program: str | None, endpoint: str) -> None:
    """The endpoint is enabled in this program, or in all of them."""
    adapters = Adapters(Settings.load())
    programs = (
        [found.program for found in adapters.programs.all()] if program is None else [program]
    )
    for name in programs:
        adapters.notifier.resolve_by(
            incident_of_endpoint(name, endpoint), "The endpoint was enabled again.", whoami()
        )


def show(callbacks: list[Callback], log: list[CallbackAttempt]) -> None:
    """Print callbacks with their attempts, a line each."""
    for callback in callbacks:
        typer.echo(callback_line(callback))
        for attempt in attempts_at(callback, log):
            typer.echo(attempt_line(attempt))


def attempts_at(callback: Callback, log: list[CallbackAttempt]) -> list[CallbackAttempt]:
    """The attempts at one callback."""
    return [attempt for attempt in log if attempt.callback_id == callback.callback_id]


def state_named(status: str | None) -> CallbackState | None:
    """Raises CommandError when the state is unknown."""
    if status is not None and status not in set(CallbackState):
        raise CommandError("--status is pending, delivered or dead.")
    return CallbackState(status) if status else None


def instant(text: str | None, default: datetime) -> datetime:
    """The instant in UTC unless the text names a time zone. Raises CommandError when malformed."""
    if text is None:
        return default
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(
            f"{text} is not a date or an instant; write 2026-11-20 or 2026-11-20T12:00:00Z."
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def show_archived(callback_id: str, *, json_output: bool) -> None:
    """Show a callback that is in the lake only. Raises CommandError where it is not there either."""
    day = day_of(callback_id)
    rows = Adapters(Settings.load()).lake.scan(ArchivedTable.CALLBACKS, [day]) if day else None
    found = None if rows is None else archived_view(rows, callback_id)
    if found is None:
        raise unknown_callback(callback_id)
    if json_output:
        print_json(found)
    else:
        typer.echo(
            f"{callback_id}  {found['program']}  {found['transaction_id']}  archived  delivered "
            f"{found['ended_at']} after {found['attempts']} attempts"
        )


def unknown_callback(callback_id: str) -> CommandError:
    """The error for an id that is not in the store."""
    return CommandError(
        f"There is no callback {callback_id} in the store; list callbacks with `cardops callbacks "
        "list`. Delivered ones are archived after a time and cannot be sent again."
    )
