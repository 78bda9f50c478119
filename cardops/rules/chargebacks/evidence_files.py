"""Files that people add to a dispute as evidence: kinds, limits, and which of them count.

Belongs here: what may be added and what a sequence of changes leaves. Files are stored under the
SHA-256 of their bytes, so the same file is stored once, whoever adds it to whatever.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.chargebacks.evidence import EvidenceFile, item_names
from cardops.rules.errors import ExplainedError

MAX_FILE_BYTES: Final = 10 * 1024 * 1024
MAX_FILES: Final = 40
MAX_PACKAGE_BYTES: Final = 50 * 1024 * 1024
MAX_NAME_CHARACTERS: Final = 200
# What card companies and processors take, told by the first bytes: a name says nothing.
_STARTS: Final = (
    (b"%PDF-", "application/pdf"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
)
TEXT: Final = "text/plain"
SUFFIXES: Final = {
    "application/pdf": "pdf",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/tiff": "tif",
    TEXT: "txt",
}


class EvidenceRefusedError(ExplainedError):
    """A file cannot be added or removed, or a package cannot be sent; nothing was changed."""


class EvidenceDamagedError(ExplainedError):
    """Stored bytes of a file are not those that were added."""

    def __init__(self, uri: str, file_name: str) -> None:
        super().__init__(
            f"{uri}, which was added as {file_name!a}, is missing or has other bytes than those that "
            "were added: its hash differs. Nothing was sent. Add the file again; it then replaces "
            "what is stored."
        )


@dataclass(frozen=True, slots=True)
class EvidenceChange:
    """A file that somebody adds for an item, or removes; `why` is empty where nothing was said."""

    item: str
    sha256: str
    file_name: str
    media_type: str
    size_bytes: int
    changed_by: str
    why: str = ""
    is_removed: bool = False


@dataclass(frozen=True, slots=True)
class RecordedChange:
    """A change that was recorded: the `number`th of its dispute."""

    dispute: DisputeKey
    change: EvidenceChange
    number: int
    changed_at: datetime


def evidence_key(sha256: str) -> str:
    """Where a file with that hash is stored."""
    return f"evidence/{sha256[:2]}/{sha256}"


def check_item(item: str) -> None:
    """Raises EvidenceRefusedError where no manifest knows the item."""
    if item not in item_names():
        raise EvidenceRefusedError(
            f"{item[:64]!a} is no item of evidence; nothing was changed. Use one of "
            f"{', '.join(item_names())}."
        )


def media_type_of(file_name: str, content: bytes) -> str:
    """The kind of file. Raises EvidenceRefusedError where it is empty, too large or of no known kind."""
    if not content:
        raise EvidenceRefusedError(f"{file_name!a} is empty; nothing was added.")
    if len(content) > MAX_FILE_BYTES:
        raise EvidenceRefusedError(
            f"{file_name!a} has {len(content):,} bytes; a file of evidence has at most "
            f"{MAX_FILE_BYTES:,}. Nothing was added: make it smaller or split it."
        )
    for start, media_type in _STARTS:
        if content.startswith(start):
            return media_type
    if not _is_text(content):
        raise EvidenceRefusedError(
            f"{file_name!a} is no PDF, JPEG, PNG, TIFF or UTF-8 text by its content, whatever its "
            "name says; nothing was added. Save it as a PDF."
        )
    return TEXT


def current_files(changes: Sequence[RecordedChange]) -> tuple[EvidenceFile, ...]:
    """The files that count after these changes, given in their order, by item and then as added."""
    found: dict[tuple[str, str], EvidenceFile] = {}
    for recorded in changes:
        change = recorded.change
        key = change.item, change.sha256
        found.pop(key, None)
        if not change.is_removed:
            found[key] = EvidenceFile(
                change.item,
                change.sha256,
                change.file_name,
                change.media_type,
                change.size_bytes,
                change.changed_by,
                recorded.changed_at,
            )
    return tuple(sorted(found.values(), key=lambda file: file.item))


def judge_change(
    change: EvidenceChange, changes: Sequence[RecordedChange]
) -> RecordedChange | None:
    """The recorded change that this one repeats, or None where it is new.

    Raises EvidenceRefusedError.
    """
    last = [
        recorded
        for recorded in changes
        if (recorded.change.item, recorded.change.sha256) == (change.item, change.sha256)
    ][-1:]
    if last and last[0].change.is_removed == change.is_removed:
        return last[0]
    if change.is_removed:
        if not last:
            raise EvidenceRefusedError(
                f"The dispute has no file {change.sha256[:12]} for {change.item}; nothing was removed."
            )
        return None
    files = current_files(changes)
    if len(files) >= MAX_FILES:
        raise EvidenceRefusedError(
            f"The dispute has {len(files)} files of evidence, which is the most; nothing was added. "
            "Remove one, or put several pages into one PDF."
        )
    size = sum(file.size_bytes for file in files) + change.size_bytes
    if size > MAX_PACKAGE_BYTES:
        raise EvidenceRefusedError(
            f"With {change.file_name!a} the evidence of the dispute has {size:,} bytes; at most "
            f"{MAX_PACKAGE_BYTES:,} can be sent. Nothing was added."
        )
    return None


def _is_text(content: bytes) -> bool:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return all(letter.isprintable() or letter in "\t\r\n\ufeff" for letter in text)
