"""The check of limits can fail: exceeded limits and wrong rejections are detected."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.oracles.histories import NEVER, Event, Spent
from tests.oracles.limit_histories import Change, Version, overruns, versions

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
WINDOW, DAY, MONTH, ONE = ("window", 60), ("day", 0), ("month", 0), ("authorization", 0)


def a_permit(place: int, amount: int, second: float, *, held: int = 0) -> Event:
    at = NOON + timedelta(seconds=second)
    spent = Spent(at, amount, held)
    return Event(f"e{place}", place, -amount, None, second, second + 1, spent=spent)


def a_refusal(place: int, amount: int, second: float, *, held: int = 0) -> Event:
    event = a_permit(place, amount, second, held=held)
    return replace(event, name=f"refused after {place}", change_minor=0, is_effective=False)


def a_change(second: float, kind: tuple[str, int], most: object, user: str = "u") -> Change:
    return Change(second, second + 1, user, kind, most)  # type: ignore[arg-type]


A_MINUTE = [a_change(0, WINDOW, (1000, 3))]


@pytest.mark.parametrize(
    "events",
    [
        [a_permit(1, 600, 10), a_permit(2, 400, 20), a_refusal(2, 1, 30)],
        # The window has just ended: a permit exactly a minute ago does not count.
        [a_permit(1, 600, 10), a_permit(2, 600, 70)],
        [a_permit(1, 1, 10), a_permit(2, 1, 11), a_permit(3, 1, 12), a_refusal(3, 1, 13)],
        # The rejection is placed where it saw two permits.
        [a_permit(1, 1, 10), a_permit(2, 999, 11), a_refusal(2, 1, 13), a_permit(3, 999, 80)],
    ],
)
def test_history_within_limits_passes(events: list[Event]) -> None:
    assert overruns(events, A_MINUTE, "u") == []
    assert overruns(events[::-1], A_MINUTE, "u") == []


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([a_permit(1, 600, 10), a_permit(2, 401, 20)], "e2 passed the limit of ('window', 60)"),
        ([a_permit(1, 600, 10), a_permit(2, 600, 69.9)], "e2 passed"),
        ([a_permit(n, 1, 10 + n) for n in range(1, 5)], "e4 passed"),
        ([a_permit(1, 1001, 10)], "e1 passed"),
        ([a_permit(1, 600, 10), a_refusal(1, 400, 20)], "refused after 1"),
        ([a_refusal(0, 1000, 10)], "refused after 0"),
        # A permit of another process whose clock is ahead counts.
        ([a_permit(1, 600, 200), a_permit(2, 401, 100)], "e2 passed"),
    ],
)
def test_exceeded_limit_or_wrong_rejection_is_detected(events: list[Event], message: str) -> None:
    reported = overruns(events, A_MINUTE, "u")

    assert len(reported) == 1, reported
    assert message in reported[0]


def test_concurrent_overrun_of_a_limit_is_detected() -> None:
    """The classic race: both counted before either was written."""
    events = [a_permit(1, 1, 10), a_permit(2, 1, 11), a_permit(3, 1, 12), a_permit(4, 1, 12)]

    assert overruns(events, A_MINUTE, "u") == ["e4 passed the limit of ('window', 60)"]


def test_increments_exceed_a_limit_like_the_whole_amount() -> None:
    changes = [a_change(0, ONE, (500, None))]

    assert overruns([a_permit(1, 500, 10), a_permit(2, 500, 11)], changes, "u") == []
    assert overruns([a_permit(1, 300, 10, held=200)], changes, "u") == []
    assert overruns([a_permit(1, 301, 10, held=200)], changes, "u") != []


@pytest.mark.parametrize(("kind", "later"), [(DAY, 12 * 3600), (MONTH, 10 * 86400 + 12 * 3600)])
def test_days_and_months_restart_at_midnight(kind: tuple[str, int], later: int) -> None:
    changes = [a_change(0, kind, (1000, None))]
    before, at = a_permit(1, 600, 10), a_permit(2, 600, later)

    assert overruns([before, at], changes, "u") == []
    assert overruns([before, a_permit(2, 600, later - 1)], changes, "u") != []


def test_both_versions_are_valid_while_a_limit_changes() -> None:
    changes = [a_change(0, DAY, (500, None)), a_change(20, DAY, (100, None))]

    def are_within_limits(second: float) -> list[bool]:
        return [
            overruns([event], changes, "u") == []
            for event in (a_permit(1, 300, second), a_refusal(0, 300, second))
        ]

    # Both the request and the change take a second.
    assert are_within_limits(18.9) == [True, False]
    assert are_within_limits(19.5) == [True, True]
    assert are_within_limits(20.5) == [True, True]
    assert are_within_limits(21.1) == [False, True]


def test_user_version_replaces_program_version_until_removed() -> None:
    changes = [
        a_change(0, DAY, (500, None), ""),
        a_change(10, DAY, (900, None)),
        a_change(20, DAY, (100, None), ""),
        a_change(30, DAY, None),
        a_change(40, DAY, None, ""),
    ]

    assert versions(changes, "u") == {
        DAY: [
            Version((None, None), -NEVER, 1),
            Version((500, None), 0, 11),
            Version((900, None), 10, 31),
            Version((100, None), 30, 41),
            Version((None, None), 40, NEVER),
        ]
    }
    assert [version.most for version in versions(changes, "other")[DAY]] == [
        (None, None),
        (500, None),
        (100, None),
        (None, None),
    ]
