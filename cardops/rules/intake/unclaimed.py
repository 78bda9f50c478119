"""Files in the raw store that are never claimed, and what their sender has to do.

Belongs here: what a key says. Files that are claimed and then refused are told of where that happens.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Final

from cardops.rules.intake.arrivals import INCOMING, is_temporary, name_problem, prefix_of
from cardops.rules.intake.control_files import file_of_control
from cardops.rules.intake.files import Kind
from cardops.rules.intake.objects import LeftOut, ObjectStat

# A program that puts a file and moves it on, such as a check of the store, is not reported.
MISPLACED_AFTER: Final = timedelta(minutes=1)
# A large file on a slow line takes as long, and a control file may come before its file.
UNFINISHED_AFTER: Final = timedelta(hours=1)
# So alike that it is a typing error; the folders of other systems in a shared bucket are not.
_ALIKE: Final = 0.75


@dataclass(frozen=True, slots=True)
class UnclaimedFile:
    """A file that stays where it is until somebody moves it; `why` says what to do."""

    key: str
    size_bytes: int
    modified_at: datetime
    why: str

    @property
    def folder(self) -> str:
        """Where it lies, with a `/` at the end; `/` for the store's root."""
        return f"{self.key.rpartition('/')[0]}/"


def may_be_meant(folder: str, kinds: Collection[Kind]) -> bool:
    """Whether a folder at the store's root, with its `/`, may hold files that were meant for Cardops."""
    name = folder.rstrip("/")
    return name != INCOMING and _alike(name, [INCOMING, *kinds]) is not None


def misplaced(
    stats: Collection[ObjectStat], kinds: Collection[Kind], now: datetime
) -> list[UnclaimedFile]:
    """Files in no folder of a kind: at the root, in `incoming/` itself, in a misspelt folder."""
    due = (stat for stat in stats if stat.modified_at <= now - MISPLACED_AFTER)
    return [_unclaimed(stat, why) for stat in due if (why := _why_misplaced(stat.key, kinds))]


def unfinished(stats: Collection[ObjectStat], now: datetime) -> list[UnclaimedFile]:
    """Files in folders of kinds that nobody finished: under a temporary name, or a control file alone."""
    keys = {stat.key for stat in stats}
    due = (stat for stat in stats if stat.modified_at <= now - UNFINISHED_AFTER)
    return [_unclaimed(stat, why) for stat in due if (why := _why_unfinished(stat.key, keys))]


def no_objects(left_out: Collection[LeftOut]) -> list[UnclaimedFile]:
    """Links, pipes and folders that cannot be read: nothing of them is ever taken."""
    return [UnclaimedFile(_printable(item.key), 0, item.modified_at, item.why) for item in left_out]


def unread(stat: ObjectStat, error: str | None) -> UnclaimedFile:
    """A file that should have been claimed long ago. `error`: why it cannot be read, or None."""
    return _unclaimed(
        stat,
        f"It is not taken, because it cannot be read: {error}"
        if error
        else "It can be read, and nobody claimed it for an hour. See whether the sensors of arrivals are on and their "
        "ticks succeed, whether `cardops intake` runs, and whether a program still has it open.",
    )


def _unclaimed(stat: ObjectStat, why: str) -> UnclaimedFile:
    return UnclaimedFile(_printable(stat.key), stat.size_bytes, stat.modified_at, why)


def _printable(key: str) -> str:
    """The key as text on one line, which neither a database nor a terminal takes for anything else."""
    if name_problem(key) is None:
        return key
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in key
    )


def _why_misplaced(key: str, kinds: Collection[Kind]) -> str | None:
    # Some tools mark an empty folder by an object with its name.
    if key.endswith("/") or any(key.startswith(prefix_of(kind)) for kind in kinds):
        return None
    first, *below = key.split("/")
    if first != INCOMING:
        target = _alike(first, kinds) if below else None
        return f"It is not under {INCOMING}/. Move it to {INCOMING}/{target or '<kind>'}/."
    if len(below) == 1:
        return f"It is in no folder of a kind. Move it to {INCOMING}/<kind>/: {', '.join(kinds)}."
    return (
        f"There is no kind {below[0]!r}. Move it to {INCOMING}/{_alike(below[0], kinds) or '<kind>'}/; "
        f"the kinds are {', '.join(kinds)}."
    )


def _why_unfinished(key: str, keys: Collection[str]) -> str | None:
    # Some tools mark an empty folder by an object with its name.
    problem = None if key.endswith("/") else name_problem(key)
    if problem is not None:
        return (
            f"{problem}, so it is not taken. Rename it, or have it sent again under another name."
        )
    if is_temporary(key):
        return (
            "Its name is that of a file that is still being transferred, and it did not change for an "
            "hour. Rename it if it is whole; otherwise ask the sender to send it again."
        )
    described = file_of_control(key)
    if described is None or described in keys:
        return None
    return (
        f"It is a control file, and there is no {described.rpartition('/')[2]} beside it. Ask the sender "
        "for that file."
    )


def _alike(name: str, names: Collection[str]) -> str | None:
    found = get_close_matches(name.lower(), names, n=1, cutoff=_ALIKE)
    return found[0] if found else None
