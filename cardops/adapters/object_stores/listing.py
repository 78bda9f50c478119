"""Arrivals found by listing a directory or bucket: the default, and the backstop of events."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from typing_extensions import override

from cardops.ports import Arrivals, IntakeLedger, ObjectListing
from cardops.rules.intake.arrivals import ArrivalPoll, is_arrival, is_settled, prefix_of
from cardops.rules.intake.files import Kind
from cardops.rules.intake.objects import ObjectStat

MAX_FILES_A_POLL: Final = 100
# The same for the intake worker, which ingests them in one run.
MAX_PROMPT_FILES: Final = 500
# Files that may still be being written; more of them wait for a later poll.
MAX_WAITING: Final = 500
KEYS_A_QUERY: Final = 5_000


class ListedArrivals(Arrivals):
    """Lists everything under the kind's folder; what the ledger knows is never read.

    `is_certain`: a file of which nobody can tell whether it is being written is left to another poll,
    which has more time between two looks. `max_files`: ready ones of one poll.
    """

    def __init__(
        self,
        store: ObjectListing,
        ledger: IntakeLedger,
        *,
        is_certain: bool = False,
        max_files: int = MAX_FILES_A_POLL,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._is_certain = is_certain
        self._max_files = max_files

    @override
    def poll(
        self, kind: Kind, seen_before: Mapping[str, str], keys: Collection[str] | None = None
    ) -> ArrivalPoll:
        ready: list[ObjectStat] = []
        waiting: dict[str, str] = {}
        for stat in self._unknown(list(self._listed(kind, keys))):
            if is_settled(stat, seen_before) and self._is_closed(stat):
                ready.append(stat)
            elif len(waiting) < MAX_WAITING:
                waiting[stat.key] = stat.version
        ready.sort(key=lambda stat: (stat.modified_at, stat.key))
        # Ready files beyond the limit are remembered, so the next poll still finds them settled.
        later = {stat.key: stat.version for stat in ready[self._max_files :][:MAX_WAITING]}
        has_more = len(ready) > self._max_files
        return ArrivalPoll(tuple(ready[: self._max_files]), waiting | later, has_more)

    @override
    def acknowledge(self, poll: ArrivalPoll) -> None:
        """Nothing to do: the ledger knows claimed files, and the next listing leaves them out."""

    def _listed(self, kind: Kind, keys: Collection[str] | None) -> Iterator[ObjectStat]:
        found = self._store.list_objects(prefix_of(kind)) if keys is None else self._found(keys)
        for stat in found:
            if is_arrival(stat.key, kind):
                yield stat

    def _found(self, keys: Collection[str]) -> Iterator[ObjectStat]:
        stats = (self._store.find(key) for key in sorted(keys))
        return (stat for stat in stats if stat is not None)

    def _is_closed(self, stat: ObjectStat) -> bool:
        """Whether no program writes the file any more, as far as somebody can tell."""
        has_writer = self._store.has_writer(stat.key)
        if has_writer is None:
            return stat.is_whole or not self._is_certain
        return not has_writer

    def _unknown(self, listed: Sequence[ObjectStat]) -> Iterator[ObjectStat]:
        for start in range(0, len(listed), KEYS_A_QUERY):
            page = listed[start : start + KEYS_A_QUERY]
            known = self._ledger.known_versions(self._store.url, [stat.key for stat in page])
            yield from (stat for stat in page if (stat.key, stat.version) not in known)
