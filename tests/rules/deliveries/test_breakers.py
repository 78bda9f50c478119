"""Circuit breakers: open after a few failures in a row, for growing pauses, closed by one success."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cardops.rules.deliveries.breakers import (
    ALARM_LEASE,
    FAILURES_TO_OPEN,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    REFUSED_PAUSE,
    Breaker,
    BreakerState,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def failed(count: int, *, chance: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(count):
        breaker = breaker.after_failure(NOW, "down", chance)
    return breaker


@given(st.lists(st.booleans(), max_size=40), st.floats(0, 1, exclude_max=True))
def test_breaker_is_open_after_as_many_failures_in_a_row(
    successes: list[bool], chance: float
) -> None:
    breaker, in_a_row = Breaker(), 0
    for is_success in successes:
        in_a_row = 0 if is_success else in_a_row + 1
        breaker = (
            breaker.after_success(NOW) if is_success else breaker.after_failure(NOW, "down", chance)
        )

        assert breaker.failure_count == in_a_row
        assert breaker.is_closed == (in_a_row < FAILURES_TO_OPEN)
        assert breaker.retry_at is None or NOW < breaker.retry_at <= NOW + LONGEST_PAUSE


def test_pause_doubles_and_is_bounded() -> None:
    pauses = [failed(count).retry_at for count in range(FAILURES_TO_OPEN, FAILURES_TO_OPEN + 8)]

    seconds = [(pause - NOW).total_seconds() for pause in pauses if pause]
    assert seconds == [30, 60, 120, 240, 480, 960, 960, 960]


def test_open_breaker_lets_one_delivery_try_when_its_pause_is_over() -> None:
    breaker = failed(FAILURES_TO_OPEN)
    later = NOW + timedelta(minutes=1)

    assert breaker.state(NOW) is BreakerState.OPEN
    assert breaker.state(later) is BreakerState.HALF_OPEN
    assert breaker.on_trial(later).state(later) is BreakerState.OPEN


def test_recovery_is_dated_only_where_the_breaker_was_open() -> None:
    assert failed(1).after_success(NOW).recovered_at is None
    assert failed(FAILURES_TO_OPEN).after_success(NOW).recovered_at == NOW


def test_open_breaker_remembers_since_when() -> None:
    breaker = failed(FAILURES_TO_OPEN)

    assert breaker.after_failure(NOW + timedelta(hours=1), "down", 0.5).opened_at == NOW


def test_rejected_credentials_open_it_for_a_day_until_a_session_succeeds() -> None:
    refused = Breaker().after_refusal(NOW, "wrong password")
    again = refused.on_trial(NOW).after_refusal(NOW + REFUSED_PAUSE, "wrong password")

    assert refused.state(NOW + REFUSED_PAUSE - timedelta(seconds=1)) is BreakerState.OPEN
    assert (again.refused_at, again.retry_at) == (NOW, NOW + 2 * REFUSED_PAUSE)
    assert again.after_success(NOW).refused_at is None
    # A server that is down says nothing about them: it is asked as soon as any other.
    assert again.after_failure(NOW, "down", 0.0).retry_at == NOW + FIRST_PAUSE / 2


def test_new_settings_let_the_next_delivery_try() -> None:
    refused = Breaker().after_refusal(NOW, "wrong password")

    assert refused.with_new_settings(NOW).state(NOW) is BreakerState.HALF_OPEN
    assert Breaker().with_new_settings(NOW) == Breaker()


def test_alarm_is_owed_once_by_one_after_the_lease_of_who_opened_it() -> None:
    opened, later = failed(FAILURES_TO_OPEN), NOW + ALARM_LEASE
    claimed = opened.alarming(later)

    assert not opened.is_alarm_due(NOW)
    assert opened.alarming(NOW) == opened
    assert opened.is_alarm_due(later)
    assert not claimed.is_alarm_due(later)
    assert claimed.is_alarm_due(later + ALARM_LEASE)
    assert not claimed.alarmed(NOW).is_alarm_due(later + ALARM_LEASE)
    assert claimed.alarmed(later) == claimed, "that was another opening"
    assert not opened.after_success(NOW).is_alarm_due(later)
