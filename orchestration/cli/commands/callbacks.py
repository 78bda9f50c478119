"""`cardops callbacks`: send what is owed, look it up, owe it again, take an endpoint back."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from cardops.adapters.postgresql.callbacks.administration import PostgresCallbackAdministration
from cardops.adapters.postgresql.callbacks.outbox import PostgresCallbackOutbox
from cardops.adapters.postgresql.connection import connect_info
from cardops.adapters.postgresql.sessions import Pool, open_pool
from cardops.rules.callbacks.callbacks import (
    Callback,
    CallbackAttempt,
    CallbackSelection,
    CallbackState,
)
from cardops.settings import Settings
from orchestration.cli.callback_views import (
    attempt_line,
    callback_line,
    described,
    described_endpoint,
    endpoint_line,
)
from orchestration.cli.known_programs import known_program
from orchestration.cli.output import (
    DONE_WITH_FINDINGS,
    CommandError,
    JsonOption,
    print_json,
    say,
)

MAX_LISTED: Final = 1_000
BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)

app = typer.Typer(no_args_is_help=True)
Program = Annotated[str | None, typer.Option(help="Only this program's.")]
Instant = Annotated[str | None, typer.Option(metavar="DATE|INSTANT", help="ISO 8601, in UTC.")]


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
    status: Annotated[str | None, typer.Option(help="pending, delivered or dead.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MAX_LISTED)] = 100,
    attempts: Annotated[bool, typer.Option("--attempts", help="Show each attempt.")] = False,
    json_output: JsonOption = False,
) -> None:
    """List callbacks, newest first. Exit code 1 where dead ones are among them."""
    state = state_named(status)
    check_program(program)

    async def look(pool: Pool) -> tuple[list[Callback], str | None, list[CallbackAttempt], int]:
        outbox, administration = PostgresCallbackOutbox(pool), PostgresCallbackAdministration(pool)
        found, cursor = await outbox.list_callbacks(program, state, None, limit)
        log = await administration.attempts([one.callback_id for one in found]) if attempts else []
        return found, cursor, log, len(await administration.endpoints(program, only_disabled=True))

    found, cursor, log, disabled = with_pool(look)
    if json_output:
        shown = [described(one, of(log, one) if attempts else None) for one in found]
        print_json({"data": shown, "next_cursor": cursor, "disabled_endpoints": disabled})
    else:
        show(found, log)
    if disabled:
        say(f"{disabled} endpoints are disabled; `cardops callbacks endpoints` shows them.")
    if any(callback.state is CallbackState.DEAD for callback in found):
        raise typer.Exit(DONE_WITH_FINDINGS)


@app.command("show")
def show_one(
    callback_id: Annotated[str, typer.Argument(help="Its id, as `callbacks list` shows it.")],
    *,
    json_output: JsonOption = False,
) -> None:
    """Show one callback with each attempt at it."""

    async def look(pool: Pool) -> tuple[Callback | None, list[CallbackAttempt]]:
        administration = PostgresCallbackAdministration(pool)
        return await administration.find(callback_id), await administration.attempts([callback_id])

    found, log = with_pool(look)
    if found is None:
        raise unknown(callback_id)
    if json_output:
        print_json(described(found, log))
    else:
        show([found], log)


@app.command()
def replay(  # noqa: PLR0913 - a selection has as many parts
    callback_id: Annotated[
        str | None, typer.Argument(help="One id; or name a range with --since.")
    ] = None,
    *,
    program: Program = None,
    since: Instant = None,
    until: Instant = None,
    status: Annotated[str, typer.Option(help="Of a range: dead, delivered or pending.")] = "dead",
    endpoint: Annotated[str | None, typer.Option(help="Of a range: only to this URL.")] = None,
    json_output: JsonOption = False,
) -> None:
    """Owe a callback again, or all that were made in a range: from the first attempt, now.

    The partner sees the webhook-id that it saw before.
    """
    if (callback_id is None) == (since is None):
        raise CommandError("Name one callback by its id, or a range with --since (and --until).")
    check_program(program)
    if callback_id is None:
        selection = CallbackSelection(
            instant(since, BEGINNING),
            instant(until, datetime.now(UTC)),
            state_named(status) or CallbackState.DEAD,
            program,
            endpoint.partition("?")[0] if endpoint else None,
        )
        if selection.until <= selection.since:
            raise CommandError(
                "--since is not before --until, which is now unless given; turn them round."
            )
        replay_range(selection, json_output=json_output)
        return
    if not with_pool(lambda pool: PostgresCallbackOutbox(pool).replay(program, callback_id)):
        raise unknown(callback_id)
    if json_output:
        print_json({"id": callback_id, "status": "pending"})
    else:
        say(f"Callback {callback_id} is owed again.")


@app.command()
def endpoints(
    *,
    program: Program = None,
    failing: Annotated[
        bool, typer.Option("--failing", help="Also those that fail and are not disabled yet.")
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """List disabled endpoints. Exit code 1 where there are any."""
    check_program(program)
    found = with_pool(
        lambda pool: PostgresCallbackAdministration(pool).endpoints(
            program, only_disabled=not failing
        )
    )
    if json_output:
        print_json({"data": [described_endpoint(one) for one in found]})
    else:
        for one in found:
            typer.echo(endpoint_line(one))
    if any(one.disabled_at for one in found):
        raise typer.Exit(DONE_WITH_FINDINGS)


@app.command()
def enable(
    endpoint: Annotated[str, typer.Argument(help="Its URL; a query is left aside.")],
    *,
    program: Program = None,
    json_output: JsonOption = False,
) -> None:
    """Take a disabled endpoint back into use. What died meanwhile is owed again by `replay`."""
    check_program(program)
    count = with_pool(lambda pool: PostgresCallbackAdministration(pool).enable(program, endpoint))
    if not count:
        raise CommandError(
            f"No endpoint {endpoint} is failing or disabled; `cardops callbacks endpoints` helps."
        )
    if json_output:
        print_json({"endpoint": endpoint.partition("?")[0], "programs": count})
    else:
        say(f"{endpoint} is in use again; `cardops callbacks replay --since …` owes the dead ones.")


def replay_range(selection: CallbackSelection, *, json_output: bool) -> None:
    """Owe the selected ones again, and say where that is in vain."""

    async def work(pool: Pool) -> tuple[int, int]:
        administration = PostgresCallbackAdministration(pool)
        disabled = await administration.endpoints(selection.program, only_disabled=True)
        named = [one for one in disabled if selection.endpoint in {None, one.endpoint}]
        return await administration.replay_selected(selection), len(named)

    count, disabled = with_pool(work)
    if json_output:
        print_json({"replayed": count, "disabled_endpoints": disabled})
        return
    say(f"{count} callbacks are owed again.")
    if disabled:
        say(
            f"{disabled} endpoints are disabled, and what goes there is given up at once; "
            "`cardops callbacks enable` first, and then again."
        )


def check_program(name: str | None) -> None:
    """Raises CommandError."""
    if name is not None:
        known_program(connect_info(Settings.load()).url, name)


def with_pool(work: Callable[[Pool], Awaitable[Any]]) -> Any:
    """What the work returns, on a pool that is closed again."""

    async def opened() -> Any:
        pool = await open_pool(connect_info(Settings.load()).url, max_size=2)
        try:
            return await work(pool)
        finally:
            pool.terminate()

    return asyncio.run(opened())


def show(found: list[Callback], log: list[CallbackAttempt]) -> None:
    """Lines for people."""
    for one in found:
        typer.echo(callback_line(one))
        for attempt in of(log, one):
            typer.echo(attempt_line(attempt))


def of(log: list[CallbackAttempt], callback: Callback) -> list[CallbackAttempt]:
    """Its attempts."""
    return [one for one in log if one.callback_id == callback.callback_id]


def state_named(status: str | None) -> CallbackState | None:
    """Raises CommandError."""
    if status is not None and status not in set(CallbackState):
        raise CommandError("--status is pending, delivered or dead.")
    return CallbackState(status) if status else None


def instant(text: str | None, default: datetime) -> datetime:
    """Raises CommandError."""
    if text is None:
        return default
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(
            f"{text} is no date or instant; write 2026-11-20 or 2026-11-20T12:00:00Z."
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def unknown(callback_id: str) -> CommandError:
    """The sentence for an id that is none."""
    return CommandError(f"There is no callback {callback_id}; `cardops callbacks list` helps.")
