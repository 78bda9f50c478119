"""Card companies' servers in memory."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from typing_extensions import override

from cardops.ports import Destinations, FileDelivery, Readable
from cardops.rules.deliveries.destinations import Destination, read_destination
from cardops.rules.deliveries.records import (
    PermanentDeliveryError,
    RemoteEntry,
    RemoteStat,
    too_large,
)


@dataclass
class FakeFileDelivery(FileDelivery):
    """A session; `files` are the server's, by path."""

    files: dict[str, bytes]

    @override
    def stat(self, path: str) -> RemoteStat | None:
        return RemoteStat(len(self.files[path])) if path in self.files else None

    @override
    def write(self, path: str, content: Readable) -> None:
        self.files[path] = content.read()

    @override
    def read_sha256(self, path: str) -> str | None:
        return hashlib.sha256(self.files[path]).hexdigest()

    @override
    def rename(self, source: str, target: str) -> None:
        if target in self.files:
            raise PermanentDeliveryError(f"{target} already exists.")
        if source not in self.files:
            raise PermanentDeliveryError(f"{source} does not exist.")
        self.files[target] = self.files.pop(source)

    @override
    def remove(self, path: str) -> None:
        self.files.pop(path, None)

    @override
    def entries(self, folder: str) -> Sequence[RemoteEntry]:
        return [
            RemoteEntry(path.rpartition("/")[2], hashlib.sha256(content).hexdigest())
            for path, content in sorted(self.files.items())
            if path.rpartition("/")[0] == folder
        ]

    @override
    def read(self, path: str, max_bytes: int) -> bytes:
        content = self.files.get(path)
        if content is None:
            raise PermanentDeliveryError(f"{path} does not exist.")
        if len(content) > max_bytes:
            raise too_large("fake", path, max_bytes)
        return content

    @override
    def close(self) -> None:
        return


@dataclass
class FakeDestinations(Destinations):
    """Every destination is open, each with files of its own; `refusing` ones are not configured.

    `parts` are added to what the secret of a destination says.
    """

    servers: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refusing: set[str] = field(default_factory=set)
    as_they_are: set[str] = field(default_factory=set)
    parts: dict[str, dict[str, object]] = field(default_factory=dict)

    @override
    def connect(self, destination: str) -> FileDelivery:
        if destination in self.refusing:
            raise PermanentDeliveryError(f"{destination} is not configured.")
        return FakeFileDelivery(self.servers.setdefault(destination, {}))

    @override
    def settings(self, destination: str) -> Destination:
        secret: dict[str, object] = {
            "protocol": "ftp",
            "host": "localhost",
            "username": "acme",
            "password": "x",
            "folder": "/inbox",
        }
        return read_destination(destination, secret | self.parts.get(destination, {}))

    @override
    def neutralises_formulas(self, destination: str) -> bool:
        return destination not in self.as_they_are
