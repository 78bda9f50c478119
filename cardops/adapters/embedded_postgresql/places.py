"""The directories of the embedded server, their owners and permissions.

    <home>/postgres/            our user: locks, password, `place` if the cluster is elsewhere
    <base>/cluster/             the server's user (0700): data, socket, log
    <base>/programs-<major>/    a copy of the programs, if that user cannot reach the installed ones

`base` is `<home>/postgres`, or a directory under /var/lib if the server runs as an unprivileged
user that cannot enter root's home.
"""

import hashlib
import os
import re
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cardops.adapters.embedded_postgresql.user import ServerUser
from cardops.adapters.postgresql.errors import DatabaseUnavailableError

# sun_path is 108 bytes with its final NUL (unix(7)); 104 on macOS and the BSDs.
MAX_SOCKET_PATH_BYTES: Final = 103
SOCKET_NAME: Final = ".s.PGSQL.5432"
PLACES_FOR_ROOT: Final = (Path("/var/lib/cardops"), Path("/var/tmp/cardops"))  # noqa: S108 - made 0711, ours


@dataclass(frozen=True, slots=True)
class Places:
    """The directories and files of one embedded server."""

    control: Path
    base: Path
    user: ServerUser

    @property
    def cluster(self) -> Path:
        """Private to the server's user."""
        return self.base / "cluster"

    @property
    def data(self) -> Path:
        """PostgreSQL's data directory; if it exists, it is complete."""
        return self.cluster / "data"

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self.cluster / "server.log"

    @property
    def password_file(self) -> Path:
        """The password of the user `cardops`, mode 0600."""
        return self.control / "password"

    @property
    def socket_directory(self) -> Path:
        """Directory of the socket: beside the data, or a short path where that one is too long."""
        beside = self.cluster / "socket"
        if _fits_a_socket(beside):
            return beside
        name = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:16]
        short = Path(tempfile.gettempdir()) / f"cardops-{name}"
        return short if _fits_a_socket(short) else Path("/tmp") / short.name  # noqa: S108 - checked for its owner

    def programs(self, installed: Path, major: int) -> Path:
        """The programs at a path where the server's user can run them; copied if necessary."""
        if self.user.can_enter(installed):
            return installed
        copy = self.base / f"programs-{major}"
        if not copy.exists():
            unfinished = copy.with_suffix(".part")
            shutil.rmtree(unfinished, ignore_errors=True)
            shutil.copytree(installed.parent, unfinished)
            unfinished.chmod(0o755)
            unfinished.rename(copy)
        return copy / "bin"


def prepare_places(home: Path) -> Places:
    """The directories of this home, created with the right owners."""
    control = home / "postgres"
    control.mkdir(parents=True, exist_ok=True)
    base = _base(control)
    user = ServerUser.for_cluster(base / "cluster" / "data")
    for directory in {control, base}:
        if directory.stat().st_uid == os.geteuid():
            directory.chmod(0o711 if user.uid is not None else 0o700)
    places = Places(control, base, user)
    for directory in (places.cluster, places.socket_directory):
        _make_private(directory, user)
    return places


def _base(control: Path) -> Path:
    """Directory of the cluster, chosen once; for root, one that the server's user can reach."""
    place = control / "place"
    if place.exists():
        return _recorded_place(place)
    if ServerUser.for_cluster(control / "cluster" / "data").can_enter(control.parent):
        return control
    base = _new_place_for_root()
    place.write_text(f"{base}\n")
    return base


def _recorded_place(place: Path) -> Path:
    base = Path(place.read_text().strip())
    if not (base / "cluster").is_dir():
        raise DatabaseUnavailableError(
            f"The database of {place.parent.parent} was stored in {base}, and that directory is "
            f"gone; restore it, or remove {place.parent} to start with an empty database."
        )
    return base


def _new_place_for_root() -> Path:
    for parent in PLACES_FOR_ROOT:
        base = parent / secrets.token_hex(8)
        try:
            parent.mkdir(mode=0o711, parents=True, exist_ok=True)
            if parent.lstat().st_uid != 0:
                continue
            (base / "cluster").mkdir(parents=True)
        except OSError:
            continue
        base.chmod(0o711)
        return base
    raise DatabaseUnavailableError(
        "PostgreSQL does not run as root, and neither CARDOPS_HOME nor "
        f"{' nor '.join(str(path) for path in PLACES_FOR_ROOT)} is a directory that an unprivileged "
        "user can enter; set CARDOPS_HOME to one that other users may enter, or run as another user."
    )


def _make_private(directory: Path, user: ServerUser) -> None:
    """Create a directory that only the server's user may enter; refuse one of another user."""
    owner = os.geteuid() if user.uid is None else user.uid
    directory.mkdir(mode=0o700, exist_ok=True)
    status = directory.lstat()
    if directory.is_symlink() or status.st_uid not in {owner, os.geteuid()}:
        raise DatabaseUnavailableError(
            f"{directory} belongs to user {status.st_uid}, so the embedded database of user "
            f"{os.geteuid()} cannot use it; run as that user, or set CARDOPS_HOME elsewhere."
        )
    user.own(directory)


def _fits_a_socket(directory: Path) -> bool:
    """Short enough for a socket, and without characters that drivers' URL parsers misread."""
    path = str(directory / SOCKET_NAME)
    return len(os.fsencode(path)) <= MAX_SOCKET_PATH_BYTES and bool(
        re.fullmatch(r"[A-Za-z0-9_./-]+", path, re.ASCII)
    )
