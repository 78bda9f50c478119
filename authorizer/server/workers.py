"""Several worker processes on one socket, supervised by uvicorn.

Belongs here: every use of uvicorn's private supervisor interface (`multiprocess.Process`,
`Process._server`, `Process.ping`, `Process.parent_conn`). tests/authorizer/server/test_uvicorn_internals.py fails when uvicorn changes it.
"""

import os
import signal
import socket
import tempfile
import threading
import time
from multiprocessing import connection, parent_process
from typing import Final

from typing_extensions import override
from uvicorn import Config, Server
from uvicorn.supervisors import multiprocess

from authorizer.metrics import MULTIPROCESS_DIRECTORY
from authorizer.server.draining import DrainingServer

# A worker's imports take a second, and ten on a busy machine.
START_TIMEOUT_SECONDS: Final = 120


class DrainingProcess(multiprocess.Process):
    """A worker that shuts down as gracefully as a single process, also when its supervisor is gone."""

    def __init__(self, config: Config, sockets: list[socket.socket]) -> None:
        super().__init__(config, sockets)
        self._began = time.monotonic()
        self._is_asked = self._has_answered = False

    @override
    def ping(self, timeout: float = 5) -> bool:
        """Whether the worker answers in time; until its first answer it has longer, and nobody waits.

        uvicorn would kill a worker that imports for longer than a health check may take, and start
        another, which would be as slow: on a busy machine none would ever serve.
        """
        if self._has_answered:
            return super().ping(timeout)
        try:
            if not self._is_asked:
                self._is_asked = True
                self.parent_conn.send(b"ping")
            if self.parent_conn.poll(0):
                self.parent_conn.recv()
                self._has_answered = True
        except (OSError, EOFError):
            return False
        return self._has_answered or time.monotonic() - self._began < START_TIMEOUT_SECONDS

    @override
    def target(self, sockets: list[socket.socket] | None = None) -> None:
        """Run in the worker: serve until a stop signal or the end of the supervisor."""
        threading.Thread(target=stop_with_supervisor, daemon=True).start()
        super().target(sockets)

    @property
    @override
    def server(self) -> Server:
        """The worker's own server, created in the worker on first use."""
        if self._server is None:
            self._server = DrainingServer(config=self.config)
        return self._server


def stop_with_supervisor() -> None:
    """Stop this worker gracefully once its supervisor has ended, even by kill -9.

    It would otherwise serve for ever, and nothing could stop it but its process id.
    """
    supervisor = parent_process()
    if supervisor is not None:
        connection.wait([supervisor.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)


def run_workers(config: Config, listener: socket.socket) -> None:
    """Supervise `config.workers` processes until a stop signal; they share one set of metrics."""
    with tempfile.TemporaryDirectory(prefix="cardops-metrics-") as directory:
        os.environ[MULTIPROCESS_DIRECTORY] = directory
        # The supervisor takes no worker class as an argument; it reads this module global.
        multiprocess.Process = DrainingProcess  # type: ignore[misc]
        multiprocess.Multiprocess(config, sockets=[listener]).run()
