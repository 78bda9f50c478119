"""The ports of a home's services, and the file that records them."""

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from cardops.settings import Settings
from orchestration.cli.output import CommandError

HOST: Final = "127.0.0.1"
DEFAULTS: Final[Mapping[str, int]] = {
    "ui": 3000,
    "authorizer": 8000,
    "sftp": 2222,
    "dbt_docs": 8080,
    "pages": 8090,
}
PORTS_TRIED: Final = 200
FIRST_UNPRIVILEGED: Final = 1_024


@contextmanager
def claimed_ports(settings: Settings) -> Iterator[dict[str, int]]:
    """For each service the port in its setting, else the next free one; none for a UI of analysts.

    While the block runs no other home chooses them, though no service may listen yet. Raises CommandError where the
    port of a setting is taken.
    """
    chosen: dict[str, int] = {}
    with ExitStack() as claims:
        for service in ("analyst_ui", *DEFAULTS):
            configured: int | None = getattr(settings, f"{service}_port")
            if configured:
                _require_another(service, configured, chosen)
                chosen[service] = _require(service, configured)
                _claim(configured, claims)
        # After all settings: none of these may take a port that one of them names.
        for service, default in DEFAULTS.items():
            if service not in chosen:
                chosen[service] = _next_free(default, set(chosen.values()), claims)
        yield chosen


def write_ports(home: Path, ports: Mapping[str, int]) -> None:
    """Write run/ports.json in one step, so that a reader never sees half of it."""
    path = home / "run" / "ports.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(dict(ports)) + "\n")
    unfinished.replace(path)


def read_ports(home: Path) -> Mapping[str, int]:
    """The ports of a running `cardops up`, as it wrote them; none where it does not run."""
    try:
        ports: dict[str, int] = json.loads((home / "run" / "ports.json").read_text())
    except FileNotFoundError:
        return {}
    return ports


def is_free(port: int) -> bool:
    """Whether the port can be bound."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def accepts_connections(port: int) -> bool:
    """Whether a process listens on the port."""
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def _require_another(service: str, port: int, chosen: Mapping[str, int]) -> None:
    """Raises CommandError where two settings name one port."""
    for other, taken in chosen.items():
        if taken == port:
            raise CommandError(
                f"CARDOPS_{other.upper()}_PORT and CARDOPS_{service.upper()}_PORT are both {port}, and one port serves one "
                "of them; give one another port, or unset it to use the next free one."
            )


def _require(service: str, port: int) -> int:
    if is_free(port):
        return port
    if port < FIRST_UNPRIVILEGED and not accepts_connections(port):
        raise CommandError(
            f"Port {port} cannot be used: ports below {FIRST_UNPRIVILEGED} are mostly for the administrator, or another "
            f"program has it; set CARDOPS_{service.upper()}_PORT to a higher one, or unset it to use the next free one."
        )
    raise CommandError(
        f"Port {port} is taken by another program; stop it, set CARDOPS_{service.upper()}_PORT to "
        "another port, or unset it to use the next free one."
    )


def _next_free(first: int, taken: set[int], claims: ExitStack) -> int:
    for port in range(first, first + PORTS_TRIED):
        if port not in taken and is_free(port) and _claim(port, claims):
            return port
    raise CommandError(
        f"No port from {first} to {first + PORTS_TRIED - 1} is free; stop a program that uses one."
    )


def _claim(port: int, claims: ExitStack) -> bool:
    """Hold the UDP port of that number, which no service uses: the system lets one process have it, until it ends."""
    claim = claims.enter_context(socket.socket(type=socket.SOCK_DGRAM))
    try:
        claim.bind((HOST, port))
    except OSError:
        return False
    return True
