"""What a running `cardops up` costs: CPU seconds of each of its processes and of PostgreSQL, Linux only.

`python -m benchmarks idle [HOME [SECONDS]]`. On a busy machine compare two trees one after the other, and
only as a ratio. Children that have ended are included: a session of PostgreSQL is one.
"""

import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SECONDS: Final = 60.0
TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Process:
    """One process as /proc shows it; `cpu_seconds` without and with children that have ended."""

    pid: int
    parent: int
    command: tuple[str, ...]
    own_seconds: float
    cpu_seconds: float


def main(arguments: list[str]) -> None:
    """Exits with a message where no `cardops up` of that home runs."""
    home = Path(arguments[0] if arguments else ".cardops").absolute()
    seconds = float(arguments[1]) if arguments[1:] else SECONDS
    roots = services(home, processes())
    before, started = cpu_seconds(roots), time.monotonic()
    time.sleep(seconds)
    after, passed = cpu_seconds(roots), time.monotonic() - started
    used = {name: after[name] - before[name] for name in roots}
    for name, amount in {**used, "total": sum(used.values())}.items():
        line = f"{name:18} {amount:8.2f} s {100 * amount / passed:6.1f} % of a core"
        sys.stdout.write(f"{line}\n")


def services(home: Path, found: Mapping[int, Process]) -> Mapping[str, int]:
    """Process id of each service, by its name. Exits where there are none."""
    workspace = str(home / "run" / "workspace.yaml")
    webservers = [
        process
        for process in found.values()
        if {workspace, "orchestration.ui.webserver"}.issubset(process.command)
    ]
    if not webservers:
        raise SystemExit(f"No cardops up of {home} runs; start it, and wait until it is ready.")
    command = webservers[0].parent
    server = (home / "postgres/cluster/data/postmaster.pid").read_text().split("\n", 1)[0]
    children = {
        _name(process.command): process.pid
        for process in found.values()
        if process.parent == command and process.command[1:2] == ("-m",)
    }
    return {"up": command, **children, "postgresql": int(server)}


def _name(command: tuple[str, ...]) -> str:
    """The module of `python -m MODULE …`; of `cardops COMMAND` the command."""
    module = command[2].rpartition(".")[2]
    return command[3] if module == "main" else module


def cpu_seconds(roots: Mapping[str, int]) -> Mapping[str, float]:
    """CPU seconds of each service with its descendants; of `up` itself without them."""
    found = processes()
    return {
        name: found[pid].own_seconds
        if name == "up"
        else sum(process.cpu_seconds for process in _family(found, pid))
        for name, pid in roots.items()
    }


def processes() -> Mapping[int, Process]:
    """All that run now."""
    return {process.pid: process for process in _processes()}


def _processes() -> Iterator[Process]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
            command = (folder / "cmdline").read_text(errors="replace").split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        own, children = (sum(map(int, fields[first : first + 2])) / TICKS for first in (11, 13))
        yield Process(int(folder.name), int(fields[1]), tuple(command), own, own + children)


def _family(found: Mapping[int, Process], root: int) -> Iterator[Process]:
    yield found[root]
    for process in found.values():
        if process.parent == root:
            yield from _family(found, process.pid)
