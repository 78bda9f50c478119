"""Objects in a bucket or directory: what is known of one, and what can be wrong with one."""

from dataclasses import dataclass
from datetime import datetime

from cardops.rules.errors import ExplainedError


@dataclass(frozen=True, slots=True)
class ObjectStat:
    """An object's key inside its store, size, and version (ETag, or size, mtime and inode).

    `is_whole`: it came into place at once. A file that is not may still be being written; it is
    taken when its version stood still over two looks.
    """

    key: str
    size_bytes: int
    version: str
    modified_at: datetime
    is_whole: bool = True


class ObjectStoreError(ExplainedError):
    """A store could not do what it was asked; the message is one sentence."""


class ObjectMissingError(ObjectStoreError):
    """There is no such object."""

    def __init__(self, uri: str) -> None:
        super().__init__(
            f"{uri} does not exist; it was removed, or the name is not spelt this way."
        )


class ObjectExistsError(ObjectStoreError):
    """An object of that name is there already, and nothing was changed."""

    def __init__(self, uri: str) -> None:
        super().__init__(f"{uri} exists already and was left as it is; choose another name.")


class InvalidKeyError(ObjectStoreError):
    """A key that leads out of its store, or that no store can keep."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"{key!r} is no name of an object: it must be relative, without empty, `.` or `..` parts."
        )


def check_key(key: str) -> str:
    """The key itself. Raises InvalidKeyError."""
    if "\0" in key or any(part in {"", ".", ".."} for part in key.split("/")):
        raise InvalidKeyError(key)
    return key
