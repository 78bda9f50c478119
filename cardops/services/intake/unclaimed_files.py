"""Files in the raw store that nobody claims, and the alarms of them.

Belongs here: which listings find them, and at what cost. What makes a file one of them is in
cardops.rules.intake.unclaimed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from cardops.contracts.kinds.registry import KINDS, Kinds
from cardops.ports import Clock, IntakeLedger, Notifier, ObjectStore
from cardops.rules.alarms.incidents import Severity
from cardops.rules.intake.arrivals import INCOMING, is_arrival, prefix_of
from cardops.rules.intake.objects import ObjectStat, ObjectStoreError
from cardops.rules.intake.unclaimed import (
    UNFINISHED_AFTER,
    UnclaimedFile,
    may_be_meant,
    misplaced,
    no_objects,
    unfinished,
    unread,
)

RUNBOOK: Final = "docs/runbooks/unclaimed-files.md"
# Incidents' keys before the folder.
MISPLACED: Final = "misplaced-files:"
UNFINISHED: Final = "unfinished-files:"
NAMED_IN_ALARM: Final = 10
KEYS_A_QUERY: Final = 5_000
# So many files are opened to say why they cannot be read.
MAX_TRIED: Final = 20


@dataclass(frozen=True, slots=True)
class UnclaimedFiles:
    """Looks at the raw store; moves and removes nothing."""

    raw_store: ObjectStore
    clock: Clock
    intake_ledger: IntakeLedger
    kinds: Kinds = field(default_factory=lambda: KINDS)

    def misplaced(self) -> list[UnclaimedFile]:
        """Files in no folder of a kind, in key order. Folders of kinds are not read."""
        in_root, folders = self.raw_store.list_folder("")
        incoming, below = self.raw_store.list_folder(f"{INCOMING}/")
        known = {prefix_of(kind) for kind in self.kinds}
        strange = [folder for folder in folders if may_be_meant(folder, self.kinds)]
        strange += [folder for folder in below if folder not in known]
        stats = [*in_root, *incoming]
        # A link beside the folders of kinds may be meant as one of them.
        left_out = [
            item
            for item in (*self.raw_store.left_out(""), *self.raw_store.left_out(f"{INCOMING}/"))
            if item.key.startswith(f"{INCOMING}/") or may_be_meant(f"{item.key}/", self.kinds)
        ]
        for folder in strange:
            below_it, no_objects_there = self.raw_store.list_readable(folder)
            stats += below_it
            left_out += no_objects_there
        found = misplaced(stats, self.kinds, self.clock.now())
        return sorted([*found, *no_objects(left_out)], key=lambda file: file.key)

    def unfinished(self) -> list[UnclaimedFile]:
        """Files in folders of kinds that nobody finished or can take, in key order: lists all that ever arrived."""
        # The database is asked for it, so once for all files.
        now = self.clock.now()
        found: list[UnclaimedFile] = []
        for kind in self.kinds:
            stats, left_out = self.raw_store.list_readable(prefix_of(kind))
            due = [stat for stat in stats if stat.modified_at <= now - UNFINISHED_AFTER]
            found += unfinished(stats, now)
            found += no_objects(left_out)
            found += self._unread([stat for stat in due if is_arrival(stat.key, kind)])
        return sorted(found, key=lambda file: file.key)

    def _unread(self, due: Sequence[ObjectStat]) -> Iterator[UnclaimedFile]:
        """Those that the ledger does not know, though it should by now; of the first with what keeps them from it."""
        tried = 0
        for start in range(0, len(due), KEYS_A_QUERY):
            page = due[start : start + KEYS_A_QUERY]
            known = self.intake_ledger.known_versions(
                self.raw_store.url, [stat.key for stat in page]
            )
            for stat in page:
                if (stat.key, stat.version) not in known:
                    tried += 1
                    yield unread(stat, self._error(stat.key) if tried <= MAX_TRIED else None)

    def _error(self, key: str) -> str | None:
        try:
            with self.raw_store.open(key) as content:
                content.read(1)
        except ObjectStoreError as error:
            return str(error)
        return None


def raise_alarms(prefix: str, files: Sequence[UnclaimedFile], notifier: Notifier) -> None:
    """One warning a folder; it ends when the folder has no such file any more."""
    folders = {
        folder: list(inside) for folder, inside in groupby(files, key=lambda file: file.folder)
    }
    for folder, inside in folders.items():
        named = [f"{file.key}: {file.why}" for file in inside[:NAMED_IN_ALARM]]
        more = len(inside) - len(named)
        notifier.notify(
            f"Files in {folder} are not taken",
            "\n".join(
                [
                    "Nobody claims these files, so nothing of them is credited or delivered.",
                    *named,
                    *(
                        [f"And {more} more; the asset `unclaimed_files` has them all."]
                        if more
                        else []
                    ),
                ]
            ),
            runbook=RUNBOOK,
            incident=f"{prefix}{folder}",
            severity=Severity.WARNING,
        )
    still = {f"{prefix}{folder}" for folder in folders}
    notifier.resolve_except(prefix, still, "The files are not there any more.")
