"""Limits that were set and changed while clients asked, and the judge of what was let through.

Belongs here: versions of limits in the clients' time, and whether what was permitted or refused
was so under limits that can have been in force. Pure; knows nothing of cardops.rules.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

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
    """What held for one user: not before `began`, not after `ended`."""

    most: Most
    began: float
    ended: float


def versions(changes: Iterable[Change], user_id: str) -> dict[Kind, list[Version]]:
    """Of each kind of limit what held for a user, in order; changes were made one by one."""
    state: dict[tuple[str, Kind], Most] = {}
    found: dict[Kind, list[Version]] = {}
    for change in changes:
        history = found.setdefault(change.kind, [Version(NO_LIMIT, -NEVER, NEVER)])
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
    return found


def overruns(events: Sequence[Event], changes: Sequence[Change], user_id: str) -> list[str]:
    """What passed a limit, or was refused for none; nothing where every verdict was right.

    Where a limit was changed while a question was under way, both versions are right for it.
    """
    of_user, wrong = versions(changes, user_id), []
    permitted: list[tuple[datetime, int]] = []
    for event in sorted(events, key=lambda event: (event.place, not event.is_effective)):
        if event.spent is None:
            continue
        over = {kind: _verdicts(event, kind, made, permitted) for kind, made in of_user.items()}
        if event.is_effective:
            passed = [kind for kind, verdicts in over.items() if all(verdicts)]
            wrong += [f"{event.name} passed the limit of {kind}" for kind in passed]
            permitted.append((event.spent.at, event.spent.amount_minor))
        elif not any(True in verdicts for verdicts in over.values()):
            wrong.append(f"{event.name} was refused and passes no limit")
    return wrong


def _verdicts(
    event: Event, kind: Kind, made: Sequence[Version], permitted: Sequence[tuple[datetime, int]]
) -> set[bool]:
    """Whether it is over the limit, by each version that it can have met."""
    spent = event.spent
    assert spent is not None
    counted = [amount for when, amount in permitted if counts(kind, when=when, at=spent.at)]
    before = spent.held_already_minor if kind[0] == "authorization" else sum(counted)
    met = [
        version.most
        for version in made
        if version.began <= event.ended and event.began <= version.ended
    ]
    return {_is_over(most, before + spent.amount_minor, len(counted) + 1) for most in met}


def _is_over(most: Most, amount: int, count: int) -> bool:
    amount_is_over = most[0] is not None and amount > most[0]
    return amount_is_over or (most[1] is not None and count > most[1])
