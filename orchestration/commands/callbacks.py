"""`cardops callbacks`: send what is owed, list it, owe it again."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Annotated, Any, Final

import typer

from authorizer.background import IDLE_SECONDS, forever
from authorizer.callback_worker import CallbackWorker
from authorizer.logs import set_up_logs
from cardops.adapters.clock import SystemClock
from cardops.adapters.postgresql.connection import connect_info
from cardops.adapters.postgresql.outbox import PostgresCallbackOutbox
from cardops.adapters.postgresql.sessions import open_pool
from cardops.adapters.secrets import secret_store
from cardops.adapters.settings import Settings
from cardops.rules.authorization import instant_text
from cardops.rules.callbacks import Callback, CallbackState
from orchestration.output import (
    DONE_WITH_FINDINGS,
    CommandError,
    JsonOption,
    print_json,
    say,
)

MAX_LISTED: Final = 1_000

app = typer.Typer(no_args_is_help=True)
Program = Annotated[str | None, typer.Option(help="Only this program's.")]


@app.command()
def run(
    *,
    once: Annotated[bool, typer.Option("--once", help="Send what is due now, then end.")] = False,
    json_output: JsonOption = False,
) -> None:
    """Send callbacks until Ctrl-C."""
    set_up_logs()
    count = with_outbox(lambda outbox: send(outbox, Settings.load(), once=once))
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
    json_output: JsonOption = False,
) -> None:
    """List callbacks, newest first. Exit code 1 where dead ones are among them."""
    if status is not None and status not in set(CallbackState):
        raise CommandError("--status is pending, delivered or dead.")
    found, cursor = with_outbox(lambda outbox: outbox.list_callbacks(program, status, None, limit))
    if json_output:
        print_json({"data": [described(callback) for callback in found], "next_cursor": cursor})
    else:
        for one in found:
            typer.echo(
                f"{one.callback_id}  {one.program}  {one.transaction_id}  {one.state}  "
                f"{one.attempt_count} attempts  {one.last_error or ''}".rstrip()
            )
    if any(callback.state is CallbackState.DEAD for callback in found):
        raise typer.Exit(DONE_WITH_FINDINGS)


@app.command()
def replay(
    callback_id: Annotated[str, typer.Argument(help="Its id, as `callbacks list` shows it.")],
    *,
    program: Program = None,
    json_output: JsonOption = False,
) -> None:
    """Owe a callback again, from its first attempt, now."""
    if not with_outbox(lambda outbox: outbox.replay(program, callback_id)):
        raise CommandError(f"There is no callback {callback_id}; `cardops callbacks list` helps.")
    if json_output:
        print_json({"id": callback_id, "status": "pending"})
    else:
        say(f"Callback {callback_id} is owed again.")


def with_outbox(work: Callable[[PostgresCallbackOutbox], Awaitable[Any]]) -> Any:
    """What the work returns, on an outbox that is closed again."""

    async def opened() -> Any:
        pool = await open_pool(connect_info(Settings.load()).url, max_size=2)
        try:
            return await work(PostgresCallbackOutbox(pool))
        finally:
            pool.terminate()

    return asyncio.run(opened())


async def send(outbox: PostgresCallbackOutbox, settings: Settings, *, once: bool) -> int:
    """Attempts made until nothing is due, or until a stop signal."""
    total = 0
    allow = settings.allow_loopback_callbacks
    async with CallbackWorker(
        outbox, secret_store(settings), SystemClock(), allow_loopback=allow
    ) as worker:

        async def step() -> int:
            nonlocal total
            count = await worker.work_once()
            total += count
            return count

        if once:
            while await step():
                pass
            return total
        task = asyncio.create_task(forever(step, IDLE_SECONDS))
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        say("Sending callbacks; Ctrl-C stops.")
        with suppress(asyncio.CancelledError):
            await task
    return total


def described(callback: Callback) -> dict[str, object]:
    """A callback for `--json`; never its body."""
    return {
        "id": callback.callback_id,
        "program": callback.program,
        "transaction_id": callback.transaction_id,
        "url": callback.url,
        "status": callback.state.value,
        "attempts": callback.attempt_count,
        "created_at": instant_text(callback.created_at),
        "next_attempt_at": instant_text(callback.next_attempt_at),
        "last_status_code": callback.last_status_code,
        "last_error": callback.last_error,
    }
