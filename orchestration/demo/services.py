"""The outside of a demo: the card companies' SFTP server and the authorizer, as processes.

Belongs here: on which ports they are started and that none is left behind. `cardops up` has more.
"""

import fcntl
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cardops.settings import Settings
from orchestration.cli.output import CommandError
from orchestration.local.ports import HOST
from orchestration.local.services import services
from orchestration.local.supervisor import Supervisor

NEEDED: Final = ("sftp", "authorizer")


@contextmanager
def outside(settings: Settings) -> Iterator[str]:
    """Both running on free ports until the block ends; yields the authorizer's address."""
    with _alone(settings.home), tempfile.TemporaryDirectory(prefix="cardops-demo-") as sockets:
        ports = _free_ports("ui", *NEEDED)
        wanted = [
            one for one in services(settings.home, ports, Path(sockets)) if one.name in NEEDED
        ]
        supervisor = Supervisor(settings.home, {})
        try:
            supervisor.start(wanted)
            yield f"http://{HOST}:{ports['authorizer']}"
        finally:
            supervisor.stop()


def _free_ports(*names: str) -> dict[str, int]:
    """Ports that nobody has, held together so that they differ."""
    sockets = [socket.socket() for _ in names]
    try:
        for one in sockets:
            one.bind((HOST, 0))
        pairs = zip(names, sockets, strict=True)
        return {name: int(one.getsockname()[1]) for name, one in pairs}
    finally:
        for one in sockets:
            one.close()


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """No `cardops up` of this home meanwhile: its sensors would take the demo's files."""
    path = home / "run" / "up.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(
                f"Cardops is up, or another demo runs, for {home}; stop that one, or set "
                "CARDOPS_HOME to another place for the demo."
            ) from None
        yield
