"""The content of a claimed file: the bytes that were claimed, and no others.

Belongs here: comparing content with its claim. A name under `incoming/` may be used again by its
sender, so a key alone says nothing about which content is there.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import BinaryIO, Final, cast

from cardops.ports import ObjectStore
from cardops.rules.errors import ExplainedError
from cardops.rules.intake.files import IntakeFile

BLOCK_BYTES: Final = 1024 * 1024


class ContentReplacedError(ExplainedError):
    """The object has other content than the claimed file, which is gone from the store."""

    def __init__(self, intake_file: IntakeFile) -> None:
        super().__init__(
            f"{intake_file.arrival.key} was replaced by another file after it was claimed as file "
            f"{intake_file.intake_id}, so nothing was read for that one: its content is no longer "
            "there. Ask the sender for it again, under a name of its own."
        )


def content_sha256(store: ObjectStore, key: str) -> str:
    """SHA-256 of the object, in hexadecimal. Raises ObjectMissingError."""
    digest = hashlib.sha256()
    for block in _blocks(store, key):
        digest.update(block)
    return digest.hexdigest()


def require_claimed_content(store: ObjectStore, intake_file: IntakeFile) -> None:
    """Raises ContentReplacedError, ObjectMissingError."""
    arrival = intake_file.arrival
    if content_sha256(store, arrival.key) != arrival.content_sha256:
        raise ContentReplacedError(intake_file)


@contextmanager
def claimed_content(store: ObjectStore, intake_file: IntakeFile) -> Iterator[BinaryIO]:
    """A copy of the claimed content, which nobody can replace while it is read.

    Raises ContentReplacedError, ObjectMissingError.
    """
    arrival, digest = intake_file.arrival, hashlib.sha256()
    with TemporaryFile(prefix="cardops-content-") as copy:
        for block in _blocks(store, arrival.key):
            digest.update(block)
            copy.write(block)
        if digest.hexdigest() != arrival.content_sha256:  # guard: claimed-content
            raise ContentReplacedError(intake_file)
        copy.seek(0)
        yield cast("BinaryIO", copy)


def _blocks(store: ObjectStore, key: str) -> Iterator[bytes]:
    with store.open(key) as stream:
        while block := stream.read(BLOCK_BYTES):
            yield block
