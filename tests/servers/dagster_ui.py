"""UIs over small definitions: the operators' and the analysts', of one instance whose runs stay in the queue."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import uvicorn
from dagster._core.workspace.load_target import PythonFileTarget

from orchestration.ui.visitors import Visitors
from orchestration.ui.webserver import PersonalProcess
from tests.factories.ui_requests import LOCATION
from tests.factories.waiting import wait_until

HEADER = "X-Cardops-User"
DEFINITIONS = Path(__file__).with_name("small_definitions.py")


@contextmanager
def ui_processes() -> Iterator[Mapping[str, PersonalProcess]]:
    """`operators` and `analysts`."""
    queue = {"module": "dagster", "class": "QueuedRunCoordinator"}
    with ExitStack() as stack:
        instance = stack.enter_context(dg.instance_for_test(overrides={"run_coordinator": queue}))
        target = PythonFileTarget(str(DEFINITIONS), None, None, LOCATION)
        yield {
            name: stack.enter_context(
                PersonalProcess(
                    instance, target, read_only=name == "analysts", visitors=Visitors(HEADER)
                )
            )
            for name in ("operators", "analysts")
        }


@contextmanager
def serving(app: Any) -> Iterator[int]:
    """The app on a port of loopback, as `main` serves it."""
    config = uvicorn.Config(app, "127.0.0.1", 0, log_level="warning", proxy_headers=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started, "the UI")
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
