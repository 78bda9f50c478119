"""The processes a demo talks to: the card companies' SFTP server and the authorizer.

Belongs here: choosing free ports for them, and stopping both. `cardops up` starts more.
"""

import socket
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cardops.settings import Settings
from orchestration.local.home_lock import only_process_of
from orchestration.local.ports import DEFAULTS, HOST
from orchestration.local.services import services
from orchestration.local.supervisor import Supervisor

NEEDED: Final = ("sftp", "authorizer")


@dataclass(frozen=True, slots=True)
class OutsideProcesses:
    """Both processes, which a thread starts."""

    authorizer_url: str
    supervisor: Supervisor
    started: "Future[None]"

    def wait_until_ready(self) -> str:
        """The authorizer's address, once both are ready. Raises CommandError."""
        self.started.result()
        return self.authorizer_url

    def stop(self) -> None:
        """End both; more than once is harmless."""
        # Stopping first ends a start that is still waiting; the second stop ends what the
        # starting thread may have started meanwhile.
        self.supervisor.stop()
        self.started.exception()
        self.supervisor.stop()


@contextmanager
def outside_processes(settings: Settings) -> Iterator[OutsideProcesses]:
    """Both processes on free ports, until they are stopped or the block ends.

    They start while the block runs. Raises CommandError where `cardops up` runs for this home,
    because its sensors would ingest the demo's files.
    """
    with (
        only_process_of(settings.home, "Cardops is running, or another demo is,"),
        tempfile.TemporaryDirectory(prefix="cardops-demo-") as sockets,
        ThreadPoolExecutor(1) as starting,
    ):
        # The list of services names every port, also of those that the demo does not start.
        ports = _free_ports(*DEFAULTS)
        listed = services(settings.home, ports, Path(sockets))
        needed = [service for service in listed if service.name in NEEDED]
        supervisor = Supervisor(settings.home, {})
        processes = OutsideProcesses(
            f"http://{HOST}:{ports['authorizer']}",
            supervisor,
            starting.submit(supervisor.start, needed),
        )
        try:
            yield processes
        finally:
            processes.stop()


def _free_ports(*names: str) -> dict[str, int]:
    """Free ports, all held until each is chosen, so that they differ."""
    sockets = [socket.socket() for _ in names]
    try:
        for listener in sockets:
            listener.bind((HOST, 0))
        pairs = zip(names, sockets, strict=True)
        return {name: int(listener.getsockname()[1]) for name, listener in pairs}
    finally:
        for listener in sockets:
            listener.close()
