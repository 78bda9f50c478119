"""Spending limits against a slow model that checks every request against all earlier permits."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardops.rules.accounts.spending_limits import (
    LimitKind,
    SpendingLimit,
    limit_problem,
    limits_in_force,
    merge_limit,
)
from cardops.rules.authorizations.decisions import (
    AccountState,
    BatchState,
    ReasonCode,
    Status,
    decide_batch,
)
from tests.factories.authorizations import PROGRAM, USER, a_request
from tests.oracles.allowances import allowances_at

START = datetime(2026, 11, 30, 23, 59, 50, tzinfo=UTC)
KINDS = st.sampled_from(list(LimitKind))
MOST = st.integers(1, 60)


@st.composite
def limits(draw: st.DrawFn) -> SpendingLimit:
    kind = draw(KINDS)
    count = None if kind is LimitKind.AUTHORIZATION else draw(st.none() | st.integers(1, 5))
    amount = draw(MOST if count is None else st.none() | MOST)
    return SpendingLimit(kind, amount, count, draw(st.integers(1, 9)) if kind == "window" else 0)


def model_permits(
    limit: SpendingLimit, amount: int, at: datetime, permitted: list[tuple[datetime, int]]
) -> bool:
    """Whether one limit permits the amount, written as a person would say it."""
    if limit.kind is LimitKind.AUTHORIZATION:
        return amount <= (limit.max_amount_minor or 0)
    counted = []
    for when, earlier in permitted:
        if limit.kind is LimitKind.WINDOW:
            counts = (at - when) < timedelta(seconds=limit.window_seconds)
        elif limit.kind is LimitKind.DAY:
            counts = when.date() == at.date()
        else:
            counts = (when.year, when.month) == (at.year, at.month)
        counted += [earlier] if counts else []
    is_amount_kept = (
        limit.max_amount_minor is None or sum(counted) + amount <= limit.max_amount_minor
    )
    return is_amount_kept and (limit.max_count is None or len(counted) + 1 <= limit.max_count)


@given(
    st.lists(limits(), max_size=4),
    st.lists(limits(), max_size=3),
    st.lists(st.tuples(st.integers(0, 8_000_000), st.lists(st.integers(1, 30), max_size=4))),
)
def test_limited_batches_decide_like_the_model(
    of_program: list[SpendingLimit],
    own: list[SpendingLimit],
    batches: list[tuple[int, list[int]]],
) -> None:
    at, permitted, number = START, [], 0  # type: ignore[var-annotated] # filled below
    in_force = {limit.key: limit for limit in [*of_program, *own]}
    for microseconds, amounts in batches:
        at += timedelta(microseconds=microseconds)
        account = AccountState(10_000, allowances=allowances_at(of_program, own, permitted, at))
        requests = []
        for amount in amounts:
            number += 1
            requests.append(a_request(f"t{number}", amount_minor=amount))
        state = BatchState({(PROGRAM, USER, "USD"): account})
        _, decisions = decide_batch(requests, state, at)
        for decision in decisions:
            amount = decision.request.amount_minor
            expected = all(
                model_permits(limit, amount, at, permitted) for limit in in_force.values()
            )
            assert (decision.status is Status.PERMIT) is expected
            assert expected or decision.reason_code is ReasonCode.VELOCITY_LIMIT
            permitted += [(at, amount)] if expected else []


def test_user_limit_replaces_program_limit_of_same_window() -> None:
    hour = SpendingLimit(LimitKind.WINDOW, 100, None, 3600)
    own = SpendingLimit(LimitKind.WINDOW, 900, None, 3600)
    minute = SpendingLimit(LimitKind.WINDOW, 10, None, 60)

    allowances = limits_in_force([hour, minute], [own])

    assert [allowance.limit for allowance in allowances] == [minute, own]


def test_change_keeps_omitted_values() -> None:
    before = SpendingLimit(LimitKind.DAY, 100, 5)

    assert merge_limit(before, SpendingLimit(LimitKind.DAY, None, 7)) == SpendingLimit(
        LimitKind.DAY, 100, 7
    )


@pytest.mark.parametrize(
    "limit",
    [
        SpendingLimit(LimitKind.DAY),
        SpendingLimit(LimitKind.DAY, None, 0),
        SpendingLimit(LimitKind.WINDOW, 5),
        SpendingLimit(LimitKind.WINDOW, 5, None, 31 * 86_400 + 1),
    ],
)
def test_limit_without_maximum_or_valid_window_is_invalid(limit: SpendingLimit) -> None:
    assert limit_problem(limit)
