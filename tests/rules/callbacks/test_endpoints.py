"""When an endpoint is disabled, host queues and their capacity, and the whole retry schedule."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from cardops.rules.callbacks.callbacks import (
    CallbackResponse,
    CallbackResult,
    CallbackState,
    attempt_result,
)
from cardops.rules.callbacks.endpoints import (
    FAILING_PERIOD,
    Endpoint,
    HostCapacity,
    after_failure,
    endpoint_of,
    host_queue_key,
)
from tests.factories.authorizations import NOON, a_callback

DAY = timedelta(days=1)


def failed(at: datetime, code: int | None = 500) -> CallbackResult:
    return CallbackResult(
        "cb_1", 1, CallbackState.PENDING, at, None, code, "No.", "default", "https://a.test/x?y=1"
    )


def failing(*instants: datetime) -> Endpoint:
    endpoint = None
    for at in instants:
        endpoint = after_failure(endpoint, failed(at))
    assert endpoint is not None
    return endpoint


def test_first_failure_starts_the_failing_period() -> None:
    assert failing(NOON) == Endpoint(
        "default", "https://a.test/x", NOON, NOON, 1, 500, "No.", None, None
    )


def test_five_days_of_failures_disable_an_endpoint() -> None:
    days = [NOON + number * DAY for number in range(6)]

    assert failing(*days[:-1]).disabled_at is None
    assert failing(*days[:-1], days[-1] - timedelta(seconds=1)).disabled_at is None
    assert failing(*days).disabled_at == days[-1]
    assert FAILING_PERIOD == timedelta(days=5)


def test_long_gap_between_failures_restarts_the_failing_period() -> None:
    again = failing(NOON, NOON + 6 * DAY)

    assert (again.disabled_at, again.failing_since, again.failure_count) == (
        None,
        NOON + 6 * DAY,
        1,
    )


def test_longest_retry_pause_does_not_restart_the_failing_period() -> None:
    pause = timedelta(seconds=86_400 * 1.2)

    assert failing(NOON, NOON + pause).failing_since == NOON


def test_410_disables_at_once_and_the_first_reason_is_kept() -> None:
    gone = after_failure(None, failed(NOON, 410))
    later = after_failure(gone, failed(NOON + 9 * DAY, 503))

    assert (gone.disabled_at, gone.disabled_because) == (NOON, "It answered 410 Gone.")
    assert (later.disabled_at, later.disabled_because) == (NOON, "It answered 410 Gone.")
    assert later.failure_count == 2


def test_late_result_never_shrinks_the_failing_period() -> None:
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
def test_endpoint_is_the_url_without_query_and_host_queue_its_host(
    url: str, endpoint: str, host: str
) -> None:
    assert endpoint_of(url) == endpoint
    assert host_queue_key("default", url) == ("default", host)


def test_unlisted_host_queue_has_the_default_capacity() -> None:
    capacity = HostCapacity(32, {("default", "a.test"): 4, ("default", "b.test"): -1})

    assert capacity.of(("default", "a.test")) == 4
    assert capacity.of(("default", "b.test")) == 0
    assert capacity.of(("other", "a.test")) == 32


def test_attempts_follow_the_whole_schedule_and_then_end() -> None:
    callback, at, pauses = replace(a_callback(), attempt_count=0), NOON, [timedelta()]
    while callback.state is CallbackState.PENDING:
        callback = replace(callback, attempt_count=callback.attempt_count + 1)
        result = attempt_result(callback, CallbackResponse(500), at, 0.5)
        callback = replace(callback, state=result.state)
        if result.next_attempt_at is not None:
            pauses.append(result.next_attempt_at - at)
            at = result.next_attempt_at

    seconds, minutes, hours = (timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours"))
    assert pauses == [
        0 * seconds, 5 * seconds, 5 * minutes, 30 * minutes, 2 * hours, 5 * hours, 10 * hours,
        14 * hours, 20 * hours, 24 * hours,
    ]  # fmt: skip
    assert callback.state is CallbackState.DEAD
