"""Several worker processes on one socket, supervised by uvicorn.

Belongs here: every use of uvicorn's private supervisor interface (`multiprocess.Process`,
`Process._server`). tests/authorizer/server/test_uvicorn_internals.py fails when uvicorn changes it.
"""

import os
import socket
import tempfile

from typing_extensions import override
from uvicorn import Config, Server
from uvicorn.supervisors import multiprocess

from authorizer.metrics import MULTIPROCESS_DIRECTORY
from authorizer.server.draining import DrainingServer


class DrainingProcess(multiprocess.Process):
    """A worker that shuts down as gracefully as a single process."""

    @property
    @override
    def server(self) -> Server:
        """The worker's own server, created in the worker on first use."""
        if self._server is None:
            self._server = DrainingServer(config=self.config)
        return self._server


def run_workers(config: Config, listener: socket.socket) -> None:
    """Supervise `config.workers` processes until a stop signal; they share one set of metrics."""
    with tempfile.TemporaryDirectory(prefix="cardops-metrics-") as directory:
        os.environ[MULTIPROCESS_DIRECTORY] = directory
        # The supervisor takes no worker class as an argument; it reads this module global.
        multiprocess.Process = DrainingProcess  # type: ignore[misc]
        multiprocess.Multiprocess(config, sockets=[listener]).run()
