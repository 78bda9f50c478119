"""Keys under `incoming/`: what they say about a file, and when a file is complete.

Belongs here: names. Which programs are registered is handed in.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from cardops.rules.intake.control_files import SUFFIX, is_control, is_nearly_control
from cardops.rules.intake.files import DEFAULT_PROGRAM, PROGRAM_PATTERN, IntakeFile, Kind
from cardops.rules.intake.objects import ObjectStat, is_key

INCOMING: Final = "incoming"
SUFFIXES: Final = ("csv", "json", "ndjson", "parquet", "xlsx")
# Names under which file transfer programs write before they rename, and Excel locks a workbook.
_TEMPORARY: Final = re.compile(
    r"^\.|^~\$|\.(part|partial|tmp|temp|filepart|crdownload|swp)$|~$", re.IGNORECASE
)
# Each format may come compressed, which a second ending says.
COMPRESSIONS: Final = (".gz", ".zst")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_RELEASED: Final = re.compile(r"/released/([0-9]{12})-[0-9a-f]{12}\.(?:csv|ndjson)$")
MAX_STEM_CHARACTERS: Final = 80
# A name in S3 has at most 1,024 bytes, that of a control file included, and PostgreSQL indexes not many more.
MAX_KEY_BYTES: Final = 1_000


@dataclass(frozen=True, slots=True)
class ArrivalPoll:
    """What one poll found: complete files in order of arrival, and files to poll again.

    `waiting` is key -> version of files that may still be being written; hand it to the next poll.
    `has_more`: there are more complete files than one poll returns. `position`: how far a listing in
    parts has come; hand it to the next poll, too.
    """

    ready: tuple[ObjectStat, ...]
    waiting: Mapping[str, str]
    has_more: bool = False
    position: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """What a key says. `program` is the folder's name, registered or not."""

    kind: Kind
    program: str
    error: str | None = None


def prefix_of(kind: Kind) -> str:
    """The folder of a kind."""
    return f"{INCOMING}/{kind}/"


def place_of(key: str, kind: Kind, programs: set[str], formats: Sequence[str] = SUFFIXES) -> Place:
    """The file's program, or why it is refused: first folder below the kind, else `default`.

    `formats`: extensions of the formats in which the kind is read.
    """
    below = key.removeprefix(prefix_of(kind)).split("/")
    program = below[0] if len(below) > 1 else DEFAULT_PROGRAM
    return Place(kind, program, _refusal(program, below[-1], programs, formats))


def is_temporary(key: str) -> bool:
    """Whether the name says that a file transfer is still writing it."""
    return bool(_TEMPORARY.search(key.rpartition("/")[2]))


def name_problem(key: str) -> str | None:
    """Why no file of that name can be taken in; None where it can.

    The name may come from a file system or a bucket that allows more than text in UTF-8 without line breaks.
    """
    if not is_key(key):
        return "Its name has an empty part, or one that is `.` or `..`, as between two `/`"
    try:
        if len(key.encode()) > MAX_KEY_BYTES:
            return f"Its name with its folders is longer than {MAX_KEY_BYTES} bytes"
    except UnicodeEncodeError:
        return "Its name is not text in UTF-8"
    return (
        "Its name has a line break or another control character" if _CONTROL.search(key) else None
    )


def is_arrival(key: str, kind: Kind) -> bool:
    """Whether the key is that of an input file of the kind: no control file, and not being transferred.

    A file whose name is no key is none: it would hold up all others, each time they are listed.
    """
    is_input = key.startswith(prefix_of(kind)) and not is_temporary(key) and not is_control(key)
    return is_input and name_problem(key) is None


def is_settled(stat: ObjectStat, seen_before: Mapping[str, str]) -> bool:
    """Whether the file is complete: put whole, or unchanged since the poll before."""
    return stat.is_whole or seen_before.get(stat.key) == stat.version


def submitted_key(
    kind: Kind, program: str, name: str, mark: str, formats: Sequence[str] = SUFFIXES
) -> str:
    """A new key for a submitted file: its own name with safe characters, and a mark."""
    suffix = _readable_ending(name, formats) or _UNSAFE.sub("_", PurePath(name).suffix)
    whole_stem = _UNSAFE.sub("_", name.removesuffix(suffix)).strip("._-")
    stem = whole_stem[:MAX_STEM_CHARACTERS] or "file"
    return f"{prefix_of(kind)}{program}/{stem}-{mark}{suffix.lower()}"


def released_key(origin: IntakeFile, digest: str, extension: str) -> str:
    """The key of a file made of rows of `origin`; `digest` is of its content."""
    return f"{released_prefix(origin)}{digest}.{extension}"


def released_prefix(origin: IntakeFile) -> str:
    """How the keys of all files made of rows of `origin` begin."""
    arrival = origin.arrival
    return f"{prefix_of(arrival.kind)}{arrival.program}/released/{origin.intake_id:012d}-"


def released_from(key: str) -> int | None:
    """The intake id of the file whose rows were released under this key, or None."""
    found = _RELEASED.search(key)
    return int(found[1]) if found else None


def unreadable(name: str, formats: Sequence[str] = SUFFIXES) -> str:
    """Why a file with any other extension is refused."""
    *first, last = (f".{extension}" for extension in formats)
    return (
        f"{name} was not read: its extension is none of {', '.join(first)} and {last} (each "
        "also as .gz or .zst). Rename it after its format and submit it again."
    )


def _readable_ending(name: str, formats: Sequence[str]) -> str | None:
    """The extension of one of the formats, with its compression's; None where it has none."""
    endings = "|".join(map(re.escape, formats))
    compressions = "|".join(map(re.escape, COMPRESSIONS))
    found = re.search(rf"\.({endings})({compressions})?$", name, re.IGNORECASE)
    return found and found[0]


def _refusal(program: str, name: str, programs: set[str], formats: Sequence[str]) -> str | None:
    if program not in programs:
        return _unregistered(program)
    if is_nearly_control(name):
        return (
            f"{name} was not read: it is named as a control file, but its ending must be all in lower "
            f"or all in upper case. Rename its ending to {SUFFIX}."
        )
    return None if _readable_ending(name, formats) else unreadable(name, formats)


def _unregistered(program: str) -> str:
    if not re.fullmatch(PROGRAM_PATTERN, program):
        return (
            f"The file was not read: its folder {program!r} is not a valid program name (at most 32 "
            "lower-case letters, digits and hyphens). Move it to its program's folder."
        )
    return (
        f"No program {program!r} is registered, so the file was not read. Create it with "
        f"`cardops program create {program}` and submit the file again, or move the file to the "
        "folder of its program."
    )
