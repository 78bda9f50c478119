"""Load from many partners on two processes while deposits are credited, and the check of it.

Belongs here: running clients, processes and deposits together. What clients record is in recording;
the checks are in histories and limit_histories.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.oracles.histories import violations
from tests.oracles.ledger_totals import assert_books_add_up, rows
from tests.oracles.observed_events import ObservedEvents
from tests.oracles.recording import Recorder
from tests.servers.authorizer_process import AuthorizerProcess
from tests.servers.killable_credit import credit_users

SETTINGS = {"CARDOPS_KEY_REQUESTS_PER_SECOND": "1000000"}
Files = dict[int, tuple[float, float]]


async def recorded(  # noqa: PLR0913 - all but two have names
    url: str,
    home: Path,
    *,
    users: int,
    count: int,
    seed: int,
    beside: Callable[[], Awaitable[None]] | None = None,
    processes: Callable[[ExitStack], Sequence[AuthorizerProcess]] | None = None,
) -> tuple[Recorder, Files]:
    """The recorded calls to two processes, and when each deposit file was credited.

    `beside` is called repeatedly until the load has ended; `processes` starts others than usual.
    """
    names = [f"user_{number}" for number in range(users)]
    files: Files = {}
    with ExitStack() as stack:
        started = processes(stack) if processes else two_processes(stack, url, home)
        ports = [process.port for process in started]
        recorder = Recorder(ports, started[0].key, names, seed=seed)
        load = asyncio.create_task(recorder.run(count))
        extra = asyncio.create_task(_until_done(load, beside)) if beside else load
        number = 0
        try:
            while not load.done():
                number, began = number + 1, time.monotonic()
                amounts = dict.fromkeys(names, max(200, 30_000 // users))
                await asyncio.to_thread(credit_users, url, amounts, intake_id=number)
                files[number] = (began, time.monotonic())
                await asyncio.wait([load], timeout=1.0)
            await asyncio.gather(load, extra)
        finally:
            # A failure here must not leave connections open that fail another test.
            load.cancel()
            extra.cancel()
            await asyncio.wait([load, extra])
    return recorder, files


def two_processes(stack: ExitStack, url: str, home: Path) -> list[AuthorizerProcess]:
    """Two on one database, until the stack is closed."""
    first = stack.enter_context(AuthorizerProcess(url, home, SETTINGS))
    return [first, stack.enter_context(first.second_process())]


async def _until_done(load: "asyncio.Task[None]", beside: Callable[[], Awaitable[None]]) -> None:
    while not load.done():
        await beside()


def assert_legal(url: str, recorder: Recorder, files: Files) -> ObservedEvents:
    """Every account has a legal order, and the books add up."""
    remembered = ObservedEvents(url, recorder.calls, files)
    assert remembered.errors == []
    for user, events in remembered.events.items():
        assert violations(events) == [], user
    stored = dict(rows(url, "select user_id, available_minor from accounts"))
    found = {
        user: sum(event.change_minor for event in events)
        for user, events in remembered.events.items()
    }
    # A user who was never credited has no account.
    assert found == {**dict.fromkeys(found, 0), **stored}
    assert_books_add_up(url)
    return remembered
