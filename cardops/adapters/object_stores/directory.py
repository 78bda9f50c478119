"""A directory as an object store: every file appears whole or not at all, and is synced to disk.

Written with the operating system's own calls: obstore's local store neither syncs to disk nor
lists names with `#` digits, and gives no real file to read from.
"""

import errno
import fcntl
import os
import secrets
import shutil
import signal
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

from typing_extensions import override

from cardops.ports import ObjectStore
from cardops.rules.intake.objects import (
    LeftOut,
    ObjectExistsError,
    ObjectMissingError,
    ObjectStat,
    ObjectStoreError,
    check_key,
)

# Files that are being written; they are never listed, and harmless when a crash leaves one.
UNFINISHED_PREFIX: Final = ".cardops-unfinished-"
_ABSENT: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})

_Found = TypeVar("_Found", ObjectStat, LeftOut)


class DirectoryStore(ObjectStore):
    """Keys are paths below the root, which need not exist yet. Links are not followed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = root.as_uri()

    @override
    def list_objects(self, prefix: str) -> Sequence[ObjectStat]:
        with self._plain_errors(prefix):
            return _in_order(self._below(prefix), prefix)

    @override
    def list_readable(self, prefix: str) -> tuple[Sequence[ObjectStat], Sequence[LeftOut]]:
        left_out: list[LeftOut] = []
        found = _in_order(self._below(prefix, left_out), prefix)
        return found, _in_order(left_out, prefix)

    @override
    def left_out(self, folder: str) -> Sequence[LeftOut]:
        with self._plain_errors(folder):
            found = list(_left_out(_entries(self.root / folder), folder))
        return sorted(found, key=lambda item: item.key)

    @override
    def list_folder(self, folder: str) -> tuple[Sequence[ObjectStat], Sequence[str]]:
        with self._plain_errors(folder):
            entries = _entries(self.root / folder)
            folders = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
            objects = list(_objects(entries, folder))
        return (
            sorted(objects, key=lambda item: item.key),
            sorted(f"{folder}{entry.name}/" for entry in folders),
        )

    @override
    def find(self, key: str) -> ObjectStat | None:
        path = self._path(key)
        with self._plain_errors(key):
            try:
                found = path.lstat()
            except OSError as error:
                if error.errno in _ABSENT:
                    return None
                raise
        is_listed = stat.S_ISREG(found.st_mode) and not path.name.startswith(UNFINISHED_PREFIX)
        return _object_stat(key, found) if is_listed else None

    @override
    def has_writer(self, key: str) -> bool | None:
        """Known for processes of this machine, by a lease that the kernel grants only without writers.

        None for a file of another user, or on a file system without leases (NFS).
        """
        try:
            handle = os.open(self._path(key), os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            return None
        try:
            # A writer that opens the file just now waits for the lease's end, of which the kernel tells
            # by a signal: by default one that would end this process.
            fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        except BlockingIOError:
            return True
        except OSError:
            return None
        finally:
            os.close(handle)
        return False

    @override
    def open(self, key: str) -> BinaryIO:
        with self._plain_errors(key), _absent_if_too_long():
            return self._path(key).open("rb")

    @override
    def get(self, key: str) -> bytes:
        with self._plain_errors(key), _absent_if_too_long():
            return self._path(key).read_bytes()

    @override
    def create(self, key: str, content: bytes | Path) -> None:
        with self._written(key, content) as unfinished:
            os.link(unfinished, self._path(key))

    @override
    def replace(self, key: str, content: bytes | Path) -> None:
        with self._written(key, content) as unfinished:
            unfinished.replace(self._path(key))

    @override
    def delete(self, key: str) -> None:
        with self._plain_errors(key):
            self._path(key).unlink(missing_ok=True)

    @override
    def uri(self, key: str) -> str:
        return str(self._path(key))

    def _below(self, prefix: str, left_out: list[LeftOut] | None = None) -> Iterator[ObjectStat]:
        folder, _, _ = prefix.rpartition("/")
        return _walk(self.root / folder, f"{folder}/" if folder else "", left_out)

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)

    @contextmanager
    def _written(self, key: str, content: bytes | Path) -> Iterator[Path]:
        """The content under an unfinished name beside the final one, on disk."""
        folder = self._path(key).parent
        unfinished = folder / f"{UNFINISHED_PREFIX}{secrets.token_hex(8)}"
        with self._plain_errors(key):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                _write(unfinished, content)
                yield unfinished
                _sync_folder(folder)
            finally:
                unfinished.unlink(missing_ok=True)

    @contextmanager
    def _plain_errors(self, key: str) -> Iterator[None]:
        """Errors of the operating system as ObjectStoreErrors, one sentence each."""
        try:
            yield
        except FileExistsError:
            raise ObjectExistsError(self.uri(key)) from None
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise ObjectMissingError(self.uri(key)) from None
        except OSError as error:
            raise ObjectStoreError(
                f"{self.root / key} cannot be read or written: {error.strerror}; fix that (free "
                "space, permissions) and try again."
            ) from error


@contextmanager
def _absent_if_too_long() -> Iterator[None]:
    """No file has a name that is too long for one, as that of the control file of a long name may be."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise FileNotFoundError(error.errno, error.strerror) from None
        raise


def _in_order(found: Iterable[_Found], prefix: str) -> list[_Found]:
    return sorted(
        (item for item in found if item.key.startswith(prefix)), key=lambda item: item.key
    )


def _walk(folder: Path, prefix: str, left_out: list[LeftOut] | None = None) -> Iterator[ObjectStat]:
    """Regular files below the folder, in no order; nothing where there is no folder.

    With `left_out`, what is none is added to it, as a folder that cannot be read, which else raises an OSError.
    """
    try:
        entries = _entries(folder)
    except OSError as error:
        if left_out is None:
            raise
        left_out.append(_unreadable_folder(folder, prefix, error))
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), f"{prefix}{entry.name}/", left_out)
    if left_out is not None:
        left_out += _left_out(entries, prefix)
    yield from _objects(entries, prefix)


def _unreadable_folder(folder: Path, prefix: str, error: OSError) -> LeftOut:
    try:
        changed = folder.lstat().st_mtime
    except OSError:
        changed = 0.0
    why = f"This folder cannot be looked into ({error.strerror}), so nothing of it is taken. Allow it to be read."
    return LeftOut(prefix, datetime.fromtimestamp(changed, UTC), why)


def _left_out(entries: Sequence[os.DirEntry[str]], prefix: str) -> Iterator[LeftOut]:
    """Links and devices among the entries of one folder: they are not followed, and not opened."""
    for entry in entries:
        if entry.is_symlink():
            why = "It is a link, and links are not followed. Put the file itself there, or the folder with its files."
        elif not entry.is_dir(follow_symlinks=False) and not entry.is_file(follow_symlinks=False):
            why = "It is a pipe, a socket or a device. Put a file there."
        else:
            continue
        try:
            changed = entry.stat(follow_symlinks=False).st_mtime
        except FileNotFoundError:
            continue
        yield LeftOut(f"{prefix}{entry.name}", datetime.fromtimestamp(changed, UTC), why)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        return list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _objects(entries: Sequence[os.DirEntry[str]], prefix: str) -> Iterator[ObjectStat]:
    """Regular files among the entries of one folder, but for those that are being written."""
    for entry in entries:
        if entry.is_file(follow_symlinks=False) and not entry.name.startswith(UNFINISHED_PREFIX):
            try:
                found = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            yield _object_stat(f"{prefix}{entry.name}", found)


def _object_stat(key: str, found: os.stat_result) -> ObjectStat:
    return ObjectStat(
        key=key,
        size_bytes=found.st_size,
        version=f"{found.st_size:x}-{found.st_mtime_ns:x}-{found.st_ino:x}",
        modified_at=datetime.fromtimestamp(found.st_mtime_ns / 1e9, UTC),
        # A write sets both times alike; a rename, or times set after a copy, changes ctime alone.
        is_whole=found.st_ctime_ns > found.st_mtime_ns,
    )


def _write(path: Path, content: bytes | Path) -> None:
    with path.open("xb") as target:
        if isinstance(content, Path):
            with content.open("rb") as source:
                shutil.copyfileobj(source, target, 1024 * 1024)
        else:
            target.write(content)
        target.flush()
        os.fsync(target.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
