"""Limits that changed while clients sent requests, and the check of the decisions under them.

Belongs here: versions of limits in the clients' time, and whether each permit and rejection is
right under a limit that can have been in force. Pure; uses nothing of cardops.rules.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter

from tests.oracles.histories import NEVER, Event
from tests.oracles.limit_model import Kind, Most, counts

NO_LIMIT: Most = (None, None)


@dataclass(frozen=True, slots=True)
class Change:
    """One limit set, or removed (`most` None), for a user or with '' for all.

    It took effect at some instant between `began` and `ended`, by the clients' clock.
    """

    began: float
    ended: float
    user_id: str
    kind: Kind
    most: Most | None


@dataclass(frozen=True, slots=True)
class Version:
    """A limit of one user that was in force at some time between `began` and `ended`."""

    most: Most
    began: float
    ended: float


def versions(changes: Iterable[Change], user_id: str) -> dict[Kind, list[Version]]:
    """The versions of each kind of limit for a user, in order; `changes` were made one by one."""
    state: dict[tuple[str, Kind], Most] = {}
    by_kind: dict[Kind, list[Version]] = {}
    for change in changes:
        history = by_kind.setdefault(change.kind, [Version(NO_LIMIT, -NEVER, NEVER)])
        if change.most is None:
            state.pop((change.user_id, change.kind), None)
        else:
            state[change.user_id, change.kind] = change.most
        of_all = state.get(("", change.kind), NO_LIMIT)
        most = state.get((user_id, change.kind), of_all)
        last = history[-1]
        if most != last.most:
            history[-1] = Version(last.most, last.began, change.ended)
            history.append(Version(most, change.began, NEVER))
    return by_kind


def overruns(events: Sequence[Event], changes: Sequence[Change], user_id: str) -> list[str]:
    """Permits that exceed a limit and rejections without cause; empty where all are right.

    Where a limit changed while a request was in progress, both versions are valid for it.
    """
    of_user, errors = versions(changes, user_id), []
    permitted: list[tuple[datetime, int]] = []
    for event in sorted(events, key=lambda event: (event.position, not event.is_effective)):
        if event.spent is None:
            continue
        over = {
            kind: _verdicts(event, kind, candidates, permitted)
            for kind, candidates in of_user.items()
        }
        if event.is_effective:
            exceeded = [kind for kind, verdicts in over.items() if all(verdicts)]
            errors += [f"{event.name} passed the limit of {kind}" for kind in exceeded]
            insort(permitted, (event.spent.at, event.spent.amount_minor))
        elif not any(True in verdicts for verdicts in over.values()):
            errors.append(f"{event.name} was rejected and exceeds no limit")
    return errors


def _verdicts(
    event: Event,
    kind: Kind,
    candidates: Sequence[Version],
    permitted: Sequence[tuple[datetime, int]],
) -> set[bool]:
    """Whether the event exceeds the limit, by each version that can have been in force.

    `permitted` is in the order of time: where a permit counts, every later one does.
    """
    spent = event.spent
    assert spent is not None
    first = bisect_left(
        permitted, x=True, key=lambda permit: counts(kind, when=permit[0], at=spent.at)
    )
    counted = permitted[first:]
    used = sum(map(itemgetter(1), counted))
    before = spent.held_already_minor if kind[0] == "authorization" else used
    in_force = [
        version.most
        for version in candidates
        if version.began <= event.ended and event.began <= version.ended
    ]
    return {_is_over(most, before + spent.amount_minor, len(counted) + 1) for most in in_force}


def _is_over(most: Most, amount: int, count: int) -> bool:
    amount_is_over = most[0] is not None and amount > most[0]
    return amount_is_over or (most[1] is not None and count > most[1])
