"""Objects in a bucket or directory, and the errors of stores."""

from dataclasses import dataclass
from datetime import datetime

from cardops.rules.errors import ExplainedError


@dataclass(frozen=True, slots=True)
class ObjectStat:
    """An object's key inside its store, size, and version (ETag, or size, mtime and inode).

    `is_whole`: it was put in one step. Another file may still be being written; it is claimed when its
    version is the same in two polls.
    """

    key: str
    size_bytes: int
    version: str
    modified_at: datetime
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class ObjectPage:
    """Some objects in key order. `last_key`: after it the next page begins; None where there is none."""

    stats: tuple[ObjectStat, ...]
    last_key: str | None


class ObjectStoreError(ExplainedError):
    """A store failed; the message is one sentence for the operator."""


class ObjectMissingError(ObjectStoreError):
    """There is no such object."""

    def __init__(self, uri: str) -> None:
        super().__init__(
            f"{uri} does not exist; it was removed, or the name is not spelt this way."
        )


class ObjectExistsError(ObjectStoreError):
    """An object of that name exists already, and nothing was changed."""

    def __init__(self, uri: str) -> None:
        super().__init__(f"{uri} exists already and was left as it is; choose another name.")


class InvalidKeyError(ObjectStoreError):
    """A key that leads out of its store, or that no store accepts."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"{key!r} is not a valid object name: it must be relative, without empty, `.` or `..` parts."
        )


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What lies in a store and is no object that can be listed, such as a link; `why` says what it is."""

    key: str
    modified_at: datetime
    why: str


def is_key(key: str) -> bool:
    """Whether it leads to an object inside a store."""
    return "\0" not in key and all(part not in {"", ".", ".."} for part in key.split("/"))


def check_key(key: str) -> str:
    """The key itself. Raises InvalidKeyError."""
    if not is_key(key):
        raise InvalidKeyError(key)
    return key
