"""Everything that real clients saw at once, from two processes, has a legal order per account."""

import asyncio
import json
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tests.builders.authorizer_process import AuthorizerProcess
from tests.builders.books_add_up import assert_books_add_up, rows
from tests.builders.crediting import credit_users
from tests.builders.histories import violations
from tests.builders.recording import Call, Recorder
from tests.builders.remembered import Remembered

pytestmark = pytest.mark.database

SETTINGS = {"CARDOPS_KEY_REQUESTS_PER_SECOND": "1000000"}


async def recorded(
    url: str, home: Path, *, users: int, count: int, seed: int
) -> tuple[Recorder, dict[int, tuple[float, float]]]:
    """What partners of two processes saw while deposits came in, and when those came."""
    names = [f"user_{number}" for number in range(users)]
    files: dict[int, tuple[float, float]] = {}
    with ExitStack() as stack:
        first = stack.enter_context(AuthorizerProcess(url, home, SETTINGS))
        second = stack.enter_context(first.beside())
        recorder = Recorder([first.port, second.port], first.key, names, seed=seed)
        load = asyncio.create_task(recorder.run(count))
        number = 0
        while not load.done():
            number, began = number + 1, time.monotonic()
            amounts = dict.fromkeys(names, max(200, 30_000 // users))
            await asyncio.to_thread(credit_users, url, amounts, intake_id=number)
            files[number] = (began, time.monotonic())
            await asyncio.wait([load], timeout=1.0)
        await load
    return recorder, files


def assert_legal(url: str, recorder: Recorder, files: dict[int, tuple[float, float]]) -> None:
    remembered = Remembered(url, recorder.calls, files)
    assert remembered.wrong == []
    for user, events in remembered.events.items():
        assert violations(events) == [], user
    stored = dict(rows(url, "select user_id, available_minor from accounts"))
    found = {
        user: sum(event.change_minor for event in events)
        for user, events in remembered.events.items()
    }
    assert found == stored
    assert_books_add_up(url)


def assert_worth_judging(calls: list[Call]) -> None:
    """Enough of everything happened: permits, refusals, replays, other bodies, every move."""
    told = [json.loads(call.body) for call in calls if call.kind == "authorize" and call.body]
    reasons = {answer.get("reason_code") for answer in told}
    done = {(call.kind, call.status) for call in calls}
    assert {"sufficient_credit", "insufficient_credit", "voided_before_arrival"} <= reasons
    kinds = ("authorize", "capture", "void", "increment", "refund")
    assert {(kind, 200) for kind in kinds} <= done
    assert {("authorize", 422), ("capture", 409)} <= done
    assert any(call.is_replayed for call in calls)
    assert {call.status for call in calls} <= {200, 404, 409, 422}


@pytest.mark.parametrize(
    ("users", "count"),
    [
        (2, 2_500),
        (200, 2_500),
        pytest.param(3, 60_000, marks=[pytest.mark.soak, pytest.mark.timeout(1800)]),
        pytest.param(5_000, 60_000, marks=[pytest.mark.soak, pytest.mark.timeout(1800)]),
    ],
)
async def test_what_clients_of_two_processes_saw_has_a_legal_order(
    database_url: str, tmp_path: Path, users: int, count: int
) -> None:
    began = time.monotonic()
    recorder, files = await recorded(database_url, tmp_path, users=users, count=count, seed=users)
    print(f"{len(recorder.calls)} calls in {time.monotonic() - began:.0f} s")  # noqa: T201

    assert len(recorder.calls) >= count
    if users < 1_000:
        assert_worth_judging(recorder.calls)
    assert_legal(database_url, recorder, files)


async def test_a_recorded_history_that_was_tampered_with_is_found(
    database_url: str, tmp_path: Path
) -> None:
    recorder, files = await recorded(database_url, tmp_path, users=2, count=600, seed=7)
    assert_legal(database_url, recorder, files)
    honest, permits = list(recorder.calls), permitted(recorder.calls)

    # An answer with another byte, one given before it was asked for, one that was never stored.
    for altered in (
        replace(permits[3], body=permits[3].body.replace(b'"amount":', b'"amount": ')),
        replace(permits[-1], began=0.0, ended=1.0),
        replace(permits[3], transaction_id="never-asked"),
    ):
        others = [call for call in honest if call.transaction_id != altered.transaction_id]
        recorder.calls = [*others, altered]
        with pytest.raises(AssertionError):
            assert_legal(database_url, recorder, files)


def permitted(calls: list[Call]) -> list[Call]:
    return [call for call in calls if call.kind == "authorize" and b'"PERMIT"' in call.body]
