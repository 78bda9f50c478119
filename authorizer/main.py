"""Builds adapters and serves: the only module of the authorizer that names them."""

import asyncio
import gc
import os
import signal
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

import uvicorn
from uvicorn.supervisors import multiprocess

from authorizer.app import Application
from authorizer.dependencies import Dependencies, Limits
from authorizer.logs import set_up_logs
from authorizer.metrics import MULTIPROCESS_DIRECTORY
from authorizer.server.draining import DrainingProcess, DrainingServer
from authorizer.server.http_protocol import HttpProtocol
from cardops.adapters.clock import SystemClock
from cardops.adapters.notifier import open_notifier
from cardops.adapters.postgresql.authorizations.authorizations import PostgresAuthorizations
from cardops.adapters.postgresql.callbacks.outbox import PostgresCallbackOutbox
from cardops.adapters.postgresql.connection import connect_info
from cardops.adapters.postgresql.programs.caller_directory import PostgresCallerDirectory
from cardops.adapters.postgresql.readiness import Readiness
from cardops.adapters.postgresql.sessions import open_pool
from cardops.adapters.secrets import secret_store
from cardops.adapters.telemetry.opening import open_tracing
from cardops.settings import Settings

HOST: Final = "127.0.0.1"
GRACEFUL_SECONDS: Final = 10
# Longer than the minute a load balancer keeps an idle connection: it must not ask on a closed one.
KEEP_ALIVE_SECONDS: Final = 75
BACKLOG: Final = 2_048


class PortInUseError(RuntimeError):
    """The port is taken; one sentence."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(
            f"The authorizer cannot listen on {host}:{port} ({reason}); stop what uses it, or "
            "choose another port with --port or CARDOPS_AUTHORIZER_PORT."
        )


def create() -> Application:
    """The application over the adapters that the environment names."""
    set_up_logs()
    settings = Settings.load()

    @asynccontextmanager
    async def open_dependencies() -> AsyncIterator[Dependencies]:
        async with dependencies_of(settings) as dependencies:
            # What stands by now stays: looking through it again and again stops every request.
            gc.collect()
            gc.freeze()
            yield dependencies

    return Application(open_dependencies)


@asynccontextmanager
async def dependencies_of(settings: Settings) -> AsyncIterator[Dependencies]:
    """Adapters on the database of the settings, until the block ends."""
    url = connect_info(settings).url
    tracing = open_tracing("cardops-authorizer")
    pool, readiness = await open_pool(url), Readiness(url)
    try:
        yield Dependencies(
            authorizations=PostgresAuthorizations(
                pool, hold_period=timedelta(seconds=settings.hold_seconds)
            ),
            callers=PostgresCallerDirectory(pool, readiness),
            outbox=PostgresCallbackOutbox(pool),
            secrets=secret_store(settings),
            clock=SystemClock(),
            limits=Limits(
                requests_per_second=settings.key_requests_per_second,
                allow_loopback=settings.allow_loopback_callbacks,
                callback_log_days=settings.callback_log_days,
                sends_callbacks=settings.authorizer_sends_callbacks,
            ),
            notifier=open_notifier(settings, SystemClock()),
            tracing=tracing,
            sessions_in_use=lambda: pool.get_size() - pool.get_idle_size(),
        )
    finally:
        readiness.terminate()
        pool.terminate()
        if tracing is not None:
            await asyncio.to_thread(tracing.close)


def bind(host: str, port: int) -> socket.socket:
    """A socket on the port. Raises PortInUseError."""
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
        # Listening now, not later: two processes may bind one port, but only one may listen.
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        raise PortInUseError(host, port, error.strerror or str(error)) from None
    made.set_inheritable(True)
    return made


def serve(bound: socket.socket, workers: int = 1) -> None:
    """Serve until a stop signal; returns once everything in hand was answered."""
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
    # uvicorn raises the signal again when it is done; a clean stop is no failure.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: None)
    if workers == 1:
        DrainingServer(config).run(sockets=[bound])
        return
    with tempfile.TemporaryDirectory(prefix="cardops-metrics-") as folder:
        os.environ[MULTIPROCESS_DIRECTORY] = str(Path(folder))
        # The supervisor can be told in no other way how its workers are to stop.
        multiprocess.Process = DrainingProcess  # type: ignore[misc]
        multiprocess.Multiprocess(config, sockets=[bound]).run()
