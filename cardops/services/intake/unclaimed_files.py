"""Files in the raw store that nobody claims, and the alarms of them.

Belongs here: which listings find them, and at what cost. What makes a file one of them is in
cardops.rules.intake.unclaimed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from cardops.contracts.kinds.registry import KINDS, Kinds
from cardops.ports import Clock, Notifier, ObjectStore
from cardops.rules.alarms.incidents import Severity
from cardops.rules.intake.arrivals import INCOMING, prefix_of
from cardops.rules.intake.unclaimed import (
    UnclaimedFile,
    may_be_meant,
    misplaced,
    unfinished,
)

RUNBOOK: Final = "docs/runbooks/unclaimed-files.md"
# Incidents' keys before the folder.
MISPLACED: Final = "misplaced-files:"
UNFINISHED: Final = "unfinished-files:"
NAMED_IN_ALARM: Final = 10


@dataclass(frozen=True, slots=True)
class UnclaimedFiles:
    """Looks at the raw store; moves and removes nothing."""

    raw_store: ObjectStore
    clock: Clock
    kinds: Kinds = field(default_factory=lambda: KINDS)

    def misplaced(self) -> list[UnclaimedFile]:
        """Files in no folder of a kind, in key order. Folders of kinds are not read."""
        in_root, folders = self.raw_store.list_folder("")
        incoming, below = self.raw_store.list_folder(f"{INCOMING}/")
        known = {prefix_of(kind) for kind in self.kinds}
        strange = [folder for folder in folders if may_be_meant(folder, self.kinds)]
        strange += [folder for folder in below if folder not in known]
        stats = [*in_root, *incoming]
        for folder in strange:
            stats += self.raw_store.list_objects(folder)
        found = misplaced(stats, self.kinds, self.clock.now())
        return sorted(found, key=lambda file: file.key)

    def unfinished(self) -> list[UnclaimedFile]:
        """Files in folders of kinds that nobody finished, in key order: lists all that ever arrived."""
        stats = [
            stat for kind in self.kinds for stat in self.raw_store.list_objects(prefix_of(kind))
        ]
        found = unfinished(stats, self.clock.now())
        return sorted(found, key=lambda file: file.key)


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
