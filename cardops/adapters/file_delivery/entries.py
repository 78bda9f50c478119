"""The files of a folder as SFTP servers list them."""

import stat
from collections.abc import Iterable
from typing import Any

from cardops.rules.deliveries.records import RemoteEntry

# Name, size in bytes, time of the last change, mode: as far as the server says.
Listed = tuple[str, int | None, int | None, int | None]


def files_of(listed: Iterable[Listed]) -> list[RemoteEntry]:
    """Its files by name, without folders."""
    return sorted(
        (
            RemoteEntry(name, f"{size}/{changed_at}")
            for name, size, changed_at, mode in listed
            if not stat.S_ISDIR(mode or 0)
        ),
        key=lambda entry: entry.name,
    )


def files_named(found: Iterable[Any]) -> list[RemoteEntry]:
    """The same of the names that asyncssh returns."""
    listed = ((str(entry.filename), entry.attrs) for entry in found)
    return files_of(
        (name, attributes.size, attributes.mtime, attributes.permissions)
        for name, attributes in listed
    )
