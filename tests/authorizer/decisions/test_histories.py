"""The responses of two processes to concurrent clients have a legal order per account."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.oracles.history_runs import assert_legal, recorded
from tests.oracles.recording import Call

pytestmark = pytest.mark.database


def assert_load_was_varied(calls: list[Call]) -> None:
    """Enough of everything happened: permits, rejections, replays, mismatches, every action."""
    bodies = [json.loads(call.body) for call in calls if call.kind == "authorize" and call.body]
    reasons = {response.get("reason_code") for response in bodies}
    outcomes = {(call.kind, call.status) for call in calls}
    assert {"sufficient_credit", "insufficient_credit", "voided_before_arrival"} <= reasons
    kinds = ("authorize", "capture", "void", "increment", "refund")
    assert {(kind, 200) for kind in kinds} <= outcomes
    assert {("authorize", 422), ("capture", 409)} <= outcomes
    assert any(call.is_replayed for call in calls)
    # On a machine without a free processor a few wait too long, and are told to ask again.
    assert {call.status for call in calls} <= {200, 404, 409, 422, 503}
    assert sum(call.status == 503 for call in calls) < len(calls) / 100


@pytest.mark.parametrize(
    ("users", "count"),
    [
        (2, 2_500),
        (200, 2_500),
        pytest.param(3, 60_000, marks=[pytest.mark.soak, pytest.mark.timeout(1800)]),
        pytest.param(5_000, 60_000, marks=[pytest.mark.soak, pytest.mark.timeout(1800)]),
    ],
)
async def test_responses_of_two_processes_have_a_legal_order(
    database_url: str, tmp_path: Path, users: int, count: int
) -> None:
    began = time.monotonic()
    recorder, files = await recorded(database_url, tmp_path, users=users, count=count, seed=users)
    print(f"{len(recorder.calls)} calls in {time.monotonic() - began:.0f} s")  # noqa: T201

    assert len(recorder.calls) >= count
    if users < 1_000:
        assert_load_was_varied(recorder.calls)
    assert_legal(database_url, recorder, files)


async def test_tampered_recorded_history_is_detected(database_url: str, tmp_path: Path) -> None:
    recorder, files = await recorded(database_url, tmp_path, users=2, count=600, seed=7)
    assert_legal(database_url, recorder, files)
    honest, permits = list(recorder.calls), permitted(recorder.calls)

    # A response with another byte, one before its request, one that was never stored.
    for altered in (
        replace(permits[3], body=permits[3].body.replace(b'"amount":', b'"amount": ')),
        replace(permits[-1], began=0.0, ended=1.0),
        replace(permits[3], transaction_id="never-requested"),
    ):
        others = [call for call in honest if call.transaction_id != altered.transaction_id]
        recorder.calls = [*others, altered]
        with pytest.raises(AssertionError):
            assert_legal(database_url, recorder, files)


def permitted(calls: list[Call]) -> list[Call]:
    return [call for call in calls if call.kind == "authorize" and b'"PERMIT"' in call.body]
