"""The commands as a user runs them: processes of their own, with nothing inherited but PATH."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cardops.adapters.embedded_postgresql.server import EmbeddedServer
from cardops.adapters.secrets import FileSecretStore
from simulation.card_companies import CardCompanies
from tests.factories.databases import new_home, stop_flushing
from tests.servers.file_servers import card_companies
from tests.servers.warm_command import WarmProcess, command

CARDOPS = Path(sys.executable).with_name("cardops")
TIMEOUT_SECONDS = 240


@dataclass(frozen=True)
class Console:
    """A home, and the commands of one person in it."""

    home: Path

    def run(self, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        """The command, in a process that has the slow imports behind it.

        `settings` are environment variables.
        """
        process = WarmProcess(self._environment(**settings), self.home.parent, TIMEOUT_SECONDS)
        return process.run(command, *arguments)

    def run_anew(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """The console script in an interpreter of its own, as a shell starts it."""
        return subprocess.run(
            [str(CARDOPS), *arguments],
            env=self._environment(),
            cwd=self.home.parent,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_SECONDS,
        )

    def started(self, *arguments: str) -> "subprocess.Popen[str]":
        """The command on its way."""
        return subprocess.Popen(
            [str(CARDOPS), *arguments],
            env=self._environment(),
            cwd=self.home.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def response(self, *arguments: str, code: int = 0) -> Any:
        """What `--json` prints: one object on one line, and nothing else on standard output."""
        done = self.run(*arguments, "--json")
        assert done.returncode == code, done.stderr
        assert done.stdout.endswith("}\n"), done.stdout
        assert done.stdout.count("\n") == 1, done.stdout
        return json.loads(done.stdout)

    def _environment(self, **settings: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if "CARDOPS" not in name}
        return {**kept, "CARDOPS_HOME": str(self.home), **settings}

    def delivered(self) -> dict[str, list[str]]:
        """What each card company received, by its name."""
        companies = CardCompanies(self.home)
        names = ("visa", "mastercard", "amex", "discover", "default")
        found = {
            name: sorted(path.name for path in companies.inbox(name).iterdir()) for name in names
        }
        return {name: files for name, files in found.items() if files}


@contextmanager
def a_home() -> Iterator[Console]:
    """A home with its embedded server kept running, which an unprivileged server may enter."""
    with new_home() as folder:
        home = folder / "home"
        server = EmbeddedServer(home)
        server.join()
        stop_flushing(server.url("postgres"))
        try:
            yield Console(home)
        finally:
            server.leave()


@contextmanager
def a_home_with_card_companies() -> Iterator[Console]:
    """The same, with all card companies reachable."""
    with a_home() as console, card_companies(console.home) as server:
        store = FileSecretStore(console.home / "secrets.json")
        CardCompanies(console.home).introduce(store, server.port)
        yield console
