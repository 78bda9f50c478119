"""Arrivals found by listing a directory or bucket: the default, and the backstop of events."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Final

from typing_extensions import override

from cardops.ports import Arrivals, IntakeLedger, ObjectListing
from cardops.rules.intake.arrivals import ArrivalPoll, is_arrival, is_settled, prefix_of
from cardops.rules.intake.files import Kind
from cardops.rules.intake.objects import ObjectStat
from cardops.rules.intake.sweeps import Stem, Sweep

MAX_FILES_A_POLL: Final = 100
# The same for the intake worker, which ingests them in one run.
MAX_PROMPT_FILES: Final = 500
# Files that may still be being written; more of them wait for a later poll.
MAX_WAITING: Final = 500
KEYS_A_QUERY: Final = 5_000
# The most that a bucket lists in one request.
PAGE_SIZE: Final = 1_000


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
        self,
        kind: Kind,
        seen_before: Mapping[str, str],
        keys: Collection[str] | None = None,
        *,
        position: str = "",
    ) -> ArrivalPoll:
        return self._polled(self._listed(kind, keys), seen_before)

    @override
    def acknowledge(self, poll: ArrivalPoll) -> None:
        """Nothing to do: the ledger knows claimed files, and the next listing leaves them out."""

    def _polled(self, listed: Iterable[ObjectStat], seen_before: Mapping[str, str]) -> ArrivalPoll:
        ready: list[ObjectStat] = []
        waiting: dict[str, str] = {}
        for stat in self._unknown(list(listed)):
            if is_settled(stat, seen_before) and self._is_closed(stat):
                ready.append(stat)
            elif len(waiting) < MAX_WAITING:
                waiting[stat.key] = stat.version
        ready.sort(key=lambda stat: (stat.modified_at, stat.key))
        # Ready files beyond the limit are remembered, so the next poll still finds them settled.
        later = {stat.key: stat.version for stat in ready[self._max_files :][:MAX_WAITING]}
        has_more = len(ready) > self._max_files
        return ArrivalPoll(tuple(ready[: self._max_files]), waiting | later, has_more)

    def _listed(self, kind: Kind, keys: Collection[str] | None) -> Iterator[ObjectStat]:
        found = self._everything(kind) if keys is None else self._found(keys)
        for stat in found:
            if is_arrival(stat.key, kind):
                yield stat

    def _everything(self, kind: Kind) -> Sequence[ObjectStat]:
        """All but what cannot be looked into, which must hold up nothing else and is told elsewhere."""
        stats, _ = self._store.list_readable(prefix_of(kind))
        return stats

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


class SweptArrivals(ListedArrivals):
    """A bucket, looked at in parts: what one poll costs depends on what is new, not on what was ever put.

    Each poll lists a page of the whole, where the poll before ended, and a page of the recent dates of each
    stem of names that it knows (cardops.rules.intake.sweeps). A bucket of one page is listed whole each time.
    """

    def __init__(
        self,
        store: ObjectListing,
        ledger: IntakeLedger,
        *,
        max_files: int = MAX_FILES_A_POLL,
        page_size: int = PAGE_SIZE,
        pages_a_poll: int = 1,
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
    ) -> None:
        super().__init__(store, ledger, max_files=max_files)
        self._page_size = page_size
        self._pages_a_poll = pages_a_poll
        self._today = today

    @override
    def poll(
        self,
        kind: Kind,
        seen_before: Mapping[str, str],
        keys: Collection[str] | None = None,
        *,
        position: str = "",
    ) -> ArrivalPoll:
        if keys is not None:
            return replace(super().poll(kind, seen_before, keys), position=position)
        before = Sweep.parse(position)
        swept, after = self._swept(kind, before.after)
        is_whole = not before.after and not after
        recent, stems = ([], before.stems) if is_whole else self._recent(before.stems)
        listed = {stat.key: stat for stat in (*swept, *recent)}
        poll = self._polled(
            (stat for stat in listed.values() if is_arrival(stat.key, kind)), seen_before
        )
        if poll.has_more:
            # What was listed and not returned is listed again: nothing may be passed over.
            sweep = before.learned(listed)
        else:
            sweep = replace(before, after=after, stems=stems).learned(listed)
        return replace(poll, position=sweep.text())

    def _swept(self, kind: Kind, after: str) -> tuple[list[ObjectStat], str]:
        """The next pages of everything, and where they end; empty at the end of everything."""
        found: list[ObjectStat] = []
        for _ in range(self._pages_a_poll):
            page = self._store.list_page(prefix_of(kind), after, self._page_size)
            found += page.stats
            after = page.last_key or ""
            if not after:
                break
        return found, after

    def _recent(self, stems: Sequence[Stem]) -> tuple[list[ObjectStat], tuple[Stem, ...]]:
        """A page of the recent names of each stem, and the stems with where it ends."""
        found: list[ObjectStat] = []
        looked_at: list[Stem] = []
        today = self._today()
        for stem in stems:
            end = stem.end_name(today)
            page = self._store.list_page(stem.prefix, stem.start_name(today), self._page_size)
            found += (stat for stat in page.stats if stat.key < end)
            is_over = page.last_key is None or page.last_key >= end
            looked_at.append(replace(stem, after="" if is_over else page.last_key or ""))
        return found, tuple(looked_at)
