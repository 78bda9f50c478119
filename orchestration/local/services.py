"""The processes of `cardops up`: the command line of each, and the check that it is ready.

Belongs here: command lines. orchestration.local.supervisor starts and stops them.
"""

import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestration.local.ports import HOST, accepts_connections

# The name of the location is that of run_origins, which loads Dagster.
WORKSPACE: Final = """\
load_from:
  - grpc_server:
      socket: {socket}
      location_name: cardops
"""


@dataclass(frozen=True, slots=True)
class Service:
    """One process. It starts when the services of `needs` and `after` are ready.

    One that ends by itself is started again, and with it those that need it. An essential one that
    keeps ending stops all.
    """

    name: str
    command: tuple[str, ...]
    is_ready: Callable[[], bool] = lambda: True
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    is_essential: bool = True


def services(home: Path, ports: Mapping[str, int], sockets: Path) -> list[Service]:
    """All services, in the order in which they start."""
    socket = sockets / "code.sock"
    workspace = home / "run" / "workspace.yaml"
    workspace.write_text(WORKSPACE.format(socket=socket))
    return [
        Service(
            "code",
            _python(
                "orchestration.local.code_server",
                *("api", "grpc", "--log-level", "warning"),
                *("-m", "orchestration.definitions", "--socket", str(socket)),
            ),
            socket.exists,
        ),
        Service(
            "sftp",
            _python(
                "simulation.card_companies",
                *("--home", str(home), "--port", str(ports["sftp"]), "--introduce"),
            ),
            lambda: accepts_connections(ports["sftp"]),
            is_essential=False,
        ),
        Service(
            "authorizer",
            _python("orchestration.cli.main", "authorizer", "--port", str(ports["authorizer"])),
            lambda: responds(f"http://{HOST}:{ports['authorizer']}/readyz"),
        ),
        Service(
            "ui",
            _ui(ports["ui"], workspace),
            lambda: responds(f"http://{HOST}:{ports['ui']}/server_info"),
            needs=("code",),
        ),
        *_analyst_ui(ports, workspace),
        Service(
            "daemon",
            _python("dagster._daemon", "run", "-w", str(workspace), "--log-level", "warning"),
            needs=("code",),
        ),
        Service(
            "intake",
            _python("orchestration.cli.main", "intake"),
            # Without it the sensors ingest what arrives, some seconds later.
            after=("code",),
            is_essential=False,
        ),
        Service(
            "pages",
            _python("orchestration.local.pages", "--port", str(ports["pages"])),
            lambda: responds(f"http://{HOST}:{ports['pages']}/"),
            after=("ui", "authorizer"),
            is_essential=False,
        ),
        Service(
            "dbt_docs",
            _python("orchestration.local.dbt_docs", "--port", str(ports["dbt_docs"])),
            # Last, and nobody waits for it: it takes the processor only when nothing else does.
            after=("code", "sftp", "authorizer", "ui", "daemon"),
            is_essential=False,
        ),
    ]


def _ui(port: int, workspace: Path, *arguments: str) -> tuple[str, ...]:
    return _python(
        "orchestration.ui.webserver",
        *("--port", str(port), "--workspace", str(workspace), *arguments),
    )


def _analyst_ui(ports: Mapping[str, int], workspace: Path) -> list[Service]:
    """The UI in which nothing can be launched, where it was asked for."""
    if "analyst_ui" not in ports:
        return []
    return [
        Service(
            "analyst_ui",
            _ui(ports["analyst_ui"], workspace, "--read-only"),
            lambda: responds(f"http://{HOST}:{ports['analyst_ui']}/analysts/server_info"),
            needs=("code",),
            after=("ui", "authorizer"),
            is_essential=False,
        )
    ]


def responds(url: str) -> bool:
    """Whether a GET returns 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - our own address
            return bool(response.status == 200)  # noqa: PLR2004 - OK
    except (urllib.error.URLError, OSError):
        return False


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)
