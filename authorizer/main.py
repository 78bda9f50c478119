"""The authorizer's process: its parts from cardops.bootstrap, its socket, its uvicorn settings."""

import gc
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import uvicorn

from authorizer.app import Application
from authorizer.dependencies import Dependencies, Limits
from authorizer.logs import set_up_logs
from authorizer.server.draining import DrainingServer
from authorizer.server.http_protocol import HttpProtocol
from authorizer.server.workers import run_workers
from cardops.bootstrap import Adapters
from cardops.settings import Settings

HOST: Final = "127.0.0.1"
GRACEFUL_SECONDS: Final = 10
# Longer than the 60 s for which a load balancer keeps an idle connection: the side that closes first
# must not be ours, or a request arrives on a closed connection.
KEEP_ALIVE_SECONDS: Final = 75
BACKLOG: Final = 2_048
# More than the objects of all requests in progress, which are freed without a collection. By default
# they would be searched for cycles at every 700 new ones, that is every few dozen requests.
MAX_UNCOLLECTED: Final = 20_000


class PortInUseError(RuntimeError):
    """The port cannot be listened on; the message is one sentence for the operator."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(
            f"The authorizer cannot listen on {host}:{port} ({reason}); stop what uses it, or "
            "choose another port with --port or CARDOPS_AUTHORIZER_PORT."
        )


def create() -> Application:
    """The application of the environment's settings; uvicorn calls it once in each process."""
    set_up_logs()
    settings = Settings.load()

    @asynccontextmanager
    async def open_dependencies() -> AsyncIterator[Dependencies]:
        async with dependencies_from(settings) as dependencies:
            # What exists now lives as long as the process. Left unfrozen, each full collection
            # would walk all of it and stop every request for that long.
            gc.collect()
            gc.freeze()
            gc.set_threshold(MAX_UNCOLLECTED)
            yield dependencies

    return Application(open_dependencies)


@asynccontextmanager
async def dependencies_from(settings: Settings) -> AsyncIterator[Dependencies]:
    """The application's parts over the database of the settings, until the block ends."""
    adapters = Adapters(settings)
    async with (
        adapters.tracing("cardops-authorizer") as tracing,
        adapters.authorizer_adapters() as store,
        adapters.callback_sender() as sender,
    ):
        yield Dependencies(
            authorizations=store.authorizations,
            expired_holds=store.expired_holds,
            callers=store.callers,
            outbox=store.outbox,
            reads=store.reads,
            secrets=adapters.secrets,
            clock=adapters.clock,
            database_time=store.database_time,
            limits=Limits(
                requests_per_second=settings.key_requests_per_second,
                allow_loopback=settings.allow_loopback_callbacks,
                callback_log_days=settings.callback_log_days,
            ),
            callback_sender=sender if settings.authorizer_sends_callbacks else None,
            notifier=adapters.notifier,
            tracing=tracing,
            database_watch=adapters.database_watch,
            sessions_in_use=store.sessions_in_use,
        )


def bind(host: str, port: int) -> socket.socket:
    """A listening socket that worker processes inherit. Raises PortInUseError."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # Two processes may bind one port but only one may listen on it, so listen now and fail now.
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise PortInUseError(host, port, error.strerror or str(error)) from None
    listener.set_inheritable(True)
    return listener


def serve(listener: socket.socket, workers: int = 1) -> None:
    """Serve until a stop signal; returns once every request received before it was answered."""
    config = uvicorn.Config(
        "authorizer.main:create",
        factory=True,
        loop="uvloop",
        http=HttpProtocol,
        lifespan="on",
        workers=workers,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        ws="none",
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )
    # uvicorn raises the stop signal once more after its own shutdown; without a handler the process
    # would end by that signal instead of with exit code 0.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: None)
    if workers == 1:
        DrainingServer(config).run(sockets=[listener])
    else:
        run_workers(config, listener)
