"""Arrivals found by listing a directory or bucket: the default, and the backstop of events."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from typing_extensions import override

from cardops.ports import Arrivals, IntakeLedger, ObjectListing
from cardops.rules.intake.arrivals import ArrivalPoll, is_settled, is_temporary, prefix_of
from cardops.rules.intake.control_files import is_control
from cardops.rules.intake.files import Kind
from cardops.rules.intake.objects import ObjectStat

MAX_FILES_A_POLL: Final = 100
# Files that may still be being written; more of them wait for a later poll.
MAX_WAITING: Final = 500
KEYS_A_QUERY: Final = 5_000


class ListedArrivals(Arrivals):
    """Lists everything under the kind's folder; what the ledger knows is never read."""

    def __init__(self, store: ObjectListing, ledger: IntakeLedger) -> None:
        self._store = store
        self._ledger = ledger

    @override
    def poll(self, kind: Kind, seen_before: Mapping[str, str]) -> ArrivalPoll:
        listed = [
            stat
            for stat in self._store.list_objects(prefix_of(kind))
            if not is_temporary(stat.key) and not is_control(stat.key)
        ]
        ready: list[ObjectStat] = []
        waiting: dict[str, str] = {}
        for stat in self._unknown(listed):
            if is_settled(stat, seen_before):
                ready.append(stat)
            elif len(waiting) < MAX_WAITING:
                waiting[stat.key] = stat.version
        ready.sort(key=lambda stat: (stat.modified_at, stat.key))
        # Ready files beyond the limit are remembered, so the next poll still finds them settled.
        later = {stat.key: stat.version for stat in ready[MAX_FILES_A_POLL:][:MAX_WAITING]}
        return ArrivalPoll(tuple(ready[:MAX_FILES_A_POLL]), waiting | later)

    @override
    def acknowledge(self, poll: ArrivalPoll) -> None:
        """Nothing to do: the ledger knows claimed files, and the next listing leaves them out."""

    def _unknown(self, listed: Sequence[ObjectStat]) -> Iterator[ObjectStat]:
        for start in range(0, len(listed), KEYS_A_QUERY):
            page = listed[start : start + KEYS_A_QUERY]
            known = self._ledger.known_versions(self._store.url, [stat.key for stat in page])
            yield from (stat for stat in page if (stat.key, stat.version) not in known)
