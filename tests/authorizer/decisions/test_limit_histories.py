"""Limits that are set, changed and removed under real load are never exceeded."""

import asyncio
import random
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from cardops.adapters.postgresql.accounts.spending_limits import PostgresSpendingLimits
from cardops.rules.accounts.spending_limits import LimitKind, SpendingLimit
from tests.oracles.histories import Event
from tests.oracles.history_runs import assert_legal, recorded
from tests.oracles.limit_histories import Change, overruns, versions
from tests.oracles.limit_model import Kind, Most

pytestmark = pytest.mark.database

USERS = 4
# Each kind always names the same maximum, since a change keeps what it omits.
DRAWN: list[tuple[str, Kind, list[Most | None]]] = [
    ("", ("window", 1), [(2_500, None), (6_000, None), None]),
    ("user_0", ("window", 1), [(1_500, None), (9_000, None), None]),
    ("", ("window", 3), [(None, 40), (None, 90)]),
    ("user_1", ("window", 3), [(8_000, 15), (20_000, 60), None]),
    ("", ("authorization", 0), [(200, None), (390, None), None]),
    ("user_2", ("day", 0), [(10_000, 100), (60_000, 400), (10_000_000, 100_000)]),
    ("", ("month", 0), [(200_000, 5_000), (10_000_000, 100_000)]),
]


@dataclass
class Operator:
    """Sets one limit after another and records when."""

    url: str
    chance: random.Random
    changes: list[Change] = field(default_factory=list)

    async def change_one(self) -> None:
        user, kind, drawn = self.chance.choice(DRAWN)
        most, began = self.chance.choice(drawn), time.monotonic()
        await asyncio.to_thread(self._set, user, kind, most)
        self.changes.append(Change(began, time.monotonic(), user, kind, most))
        await asyncio.sleep(self.chance.random() * 0.1)

    def _set(self, user: str, kind: Kind, most: Most | None) -> None:
        limits, (name, seconds) = PostgresSpendingLimits(self.url), kind
        if most is None:
            key = (LimitKind(name), seconds)
            limits.remove("default", user, "USD", key, changed_by="operator")
        else:
            limit = SpendingLimit(LimitKind(name), *most, seconds)
            limits.change("default", user, "USD", [limit], changed_by="operator")


QUICK = 4_000


@pytest.mark.parametrize(
    "count",
    [QUICK, pytest.param(20_000, marks=[pytest.mark.soak, pytest.mark.timeout(900)])],
)
async def test_changing_limits_under_load_are_never_exceeded(
    database_url: str, tmp_path: Path, count: int
) -> None:
    operator = Operator(database_url, random.Random(count))  # noqa: S311 - must be reproducible
    recorder, files = await recorded(
        database_url, tmp_path, users=USERS, count=count, seed=count, beside=operator.change_one
    )
    observed = assert_legal(database_url, recorder, files)

    for user, events in observed.events.items():
        assert overruns(events, operator.changes, user) == []
    assert_load_was_varied(observed.events, operator.changes, is_long=count > QUICK)
    # The check of this very history can fail: with every permit doubled, limits are exceeded.
    for user, events in observed.events.items():
        limited = [event for event in events if event.spent and event.is_effective]
        twice = [*events, *(replace(event, name=f"{event.name}/again") for event in limited)]
        assert overruns(twice, operator.changes, user) != []


def assert_load_was_varied(
    events: dict[str, list[Event]], changes: list[Change], *, is_long: bool
) -> None:
    """Limits changed often, rejected requests and increments, and permitted others."""
    spent = [event for user_events in events.values() for event in user_events if event.spent]
    rejected = [event.name for event in spent if not event.is_effective]
    # Versions in force for a user, without the first of each kind.
    changed = sum(
        len(in_order) - 1 for user in events for in_order in versions(changes, user).values()
    )
    summary = f"{len(spent)} under {len(changes)} changes of limits, {len(rejected)} refused"
    print(summary)  # noqa: T201 - the figure of the proof
    assert len(rejected) > 50, summary
    assert len(spent) > len(rejected) + (100 if is_long else 20), summary
    # On a fast machine the short round ends before every rare event has happened.
    assert changed > (10 if is_long else 0), summary
    assert any("/increment/" in name for name in rejected) or not is_long, summary
