"""When an endpoint is disabled, what an endpoint and a lane are, and the schedule as a whole."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from cardops.rules.callbacks.callbacks import CallbackResult, CallbackState, Response, verdict
from cardops.rules.callbacks.endpoints import (
    FAILING_PERIOD,
    Endpoint,
    HostCapacity,
    after_failure,
    endpoint_of,
    host_queue_of,
)
from tests.factories.authorizations import NOON, a_callback

DAY = timedelta(days=1)


def failed(at: datetime, code: int | None = 500) -> CallbackResult:
    return CallbackResult(
        "cb_1", 1, CallbackState.PENDING, at, None, code, "No.", "default", "https://a.test/x?y=1"
    )


def failing(*instants: datetime) -> Endpoint:
    known = None
    for at in instants:
        known = after_failure(known, failed(at))
    assert known is not None
    return known


def test_a_first_failure_starts_the_clock() -> None:
    assert failing(NOON) == Endpoint(
        "default", "https://a.test/x", NOON, NOON, 1, 500, "No.", None, None
    )


def test_five_days_of_nothing_but_failures_disable() -> None:
    days = [NOON + number * DAY for number in range(6)]

    assert failing(*days[:-1]).disabled_at is None
    assert failing(*days[:-1], days[-1] - timedelta(seconds=1)).disabled_at is None
    assert failing(*days).disabled_at == days[-1]
    assert FAILING_PERIOD == timedelta(days=5)


def test_two_failures_with_a_long_silence_between_are_no_five_days_of_failing() -> None:
    again = failing(NOON, NOON + 6 * DAY)

    assert (again.disabled_at, again.failing_since, again.failure_count) == (
        None,
        NOON + 6 * DAY,
        1,
    )


def test_the_longest_pause_of_the_schedule_is_no_silence() -> None:
    pause = timedelta(seconds=86_400 * 1.2)

    assert failing(NOON, NOON + pause).failing_since == NOON


def test_410_disables_at_once_and_the_first_reason_stands() -> None:
    gone = after_failure(None, failed(NOON, 410))
    later = after_failure(gone, failed(NOON + 9 * DAY, 503))

    assert (gone.disabled_at, gone.disabled_because) == (NOON, "It answered 410 Gone.")
    assert (later.disabled_at, later.disabled_because) == (NOON, "It answered 410 Gone.")
    assert later.failure_count == 2


def test_results_that_are_written_late_move_no_instant_the_wrong_way() -> None:
    late = after_failure(failing(NOON), failed(NOON - DAY))

    assert (late.failing_since, late.last_failed_at) == (NOON - DAY, NOON)


@pytest.mark.parametrize(
    ("url", "endpoint", "host"),
    [
        ("https://a.test/", "https://a.test/", "a.test"),
        ("https://a.test/x/y?z=1&b=?", "https://a.test/x/y", "a.test"),
        ("http://127.0.0.1:8080/x", "http://127.0.0.1:8080/x", "127.0.0.1:8080"),
        ("http://[::1]:1/", "http://[::1]:1/", "[::1]:1"),
    ],
)
def test_an_endpoint_is_a_url_without_its_query_and_a_lane_its_host(
    url: str, endpoint: str, host: str
) -> None:
    assert endpoint_of(url) == endpoint
    assert host_queue_of("default", url) == ("default", host)


def test_a_lane_that_is_not_known_has_the_room_of_any_other() -> None:
    room = HostCapacity(32, {("default", "a.test"): 4, ("default", "b.test"): -1})

    assert room.of(("default", "a.test")) == 4
    assert room.of(("default", "b.test")) == 0
    assert room.of(("other", "a.test")) == 32


def test_attempts_are_made_as_the_schedule_says_and_then_no_more() -> None:
    callback, at, made = replace(a_callback(), attempt_count=0), NOON, [timedelta()]
    while callback.state is CallbackState.PENDING:
        callback = replace(callback, attempt_count=callback.attempt_count + 1)
        result = verdict(callback, Response(500), at, 0.5)
        callback = replace(callback, state=result.state)
        if result.next_attempt_at is not None:
            made.append(result.next_attempt_at - at)
            at = result.next_attempt_at

    seconds, minutes, hours = (timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours"))
    assert made == [
        0 * seconds, 5 * seconds, 5 * minutes, 30 * minutes, 2 * hours, 5 * hours, 10 * hours,
        14 * hours, 20 * hours, 24 * hours,
    ]  # fmt: skip
    assert callback.state is CallbackState.DEAD
