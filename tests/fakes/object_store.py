"""An object store in memory."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from typing_extensions import override

from cardops.ports import ObjectStore
from cardops.rules.intake.objects import (
    ObjectExistsError,
    ObjectMissingError,
    ObjectStat,
    ObjectStoreError,
    check_key,
)


@dataclass
class FakeObjectStore(ObjectStore):
    """Versions count the puts, so that equal content put again is another version, as on disk."""

    url: str = "memory://store"
    contents: dict[str, bytes] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    unfinished: set[str] = field(default_factory=set)  # keys still being written
    open_for_writing: set[str] = field(default_factory=set)
    written_elsewhere: set[str] = field(default_factory=set)  # nobody can tell who writes them
    unreadable: set[str] = field(default_factory=set)  # keys that nobody may open
    reads: list[str] = field(default_factory=list)

    @override
    def list_objects(self, prefix: str) -> Sequence[ObjectStat]:
        return [self._stat(key) for key in sorted(self.contents) if key.startswith(prefix)]

    @override
    def list_folder(self, folder: str) -> tuple[Sequence[ObjectStat], Sequence[str]]:
        below = {key.removeprefix(folder): key for key in self.contents if key.startswith(folder)}
        folders = {f"{folder}{rest.partition('/')[0]}/" for rest in below if "/" in rest}
        objects = [self._stat(key) for rest, key in sorted(below.items()) if "/" not in rest]
        return objects, sorted(folders)

    @override
    def find(self, key: str) -> ObjectStat | None:
        return self._stat(key) if key in self.contents else None

    @override
    def has_writer(self, key: str) -> bool | None:
        return None if key in self.written_elsewhere else key in self.open_for_writing

    @override
    def open(self, key: str) -> BinaryIO:
        return io.BytesIO(self.get(key))

    @override
    def get(self, key: str) -> bytes:
        self.reads.append(check_key(key))
        if key in self.unreadable:
            raise ObjectStoreError(f"{key} cannot be read: Permission denied.")
        if key not in self.contents:
            raise ObjectMissingError(self.uri(key))
        return self.contents[key]

    @override
    def create(self, key: str, content: bytes | Path) -> None:
        if check_key(key) in self.contents:
            raise ObjectExistsError(self.uri(key))
        self.replace(key, content)

    @override
    def replace(self, key: str, content: bytes | Path) -> None:
        body = content.read_bytes() if isinstance(content, Path) else bytes(content)
        self.contents[check_key(key)] = body
        self.versions[key] = self.versions.get(key, 0) + 1

    @override
    def delete(self, key: str) -> None:
        self.contents.pop(check_key(key), None)

    @override
    def uri(self, key: str) -> str:
        return f"{self.url}/{key}"

    def _stat(self, key: str) -> ObjectStat:
        return ObjectStat(
            key=key,
            size_bytes=len(self.contents[key]),
            version=f"v{self.versions[key]}",
            modified_at=datetime(2026, 1, 1, tzinfo=UTC),
            is_whole=key not in self.unfinished,
        )
