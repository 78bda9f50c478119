"""A database with accounts for benchmarks, on its own temporary server."""

import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cardops.adapters.embedded_postgresql.binaries import choose_binaries
from cardops.adapters.postgresql.connection import connect, database
from cardops.settings import Settings

HERE: Final = Path(__file__).parent
ROUND_SECONDS: Final = 8
AVAILABLE_MINOR: Final = 10**12


@dataclass(frozen=True, slots=True)
class BenchDatabase:
    """A database with the USD accounts `u-1` to `u-<users>` of the program `bench`."""

    url: str
    users: int
    programs: Path

    def pgbench(self, *, clients: int = 32, users: int | None = None) -> float:
        """Decisions per second, with one call of the PL/pgSQL function per transaction."""
        output = subprocess.run(  # noqa: S603 - the server's own program
            [
                self.programs / "pgbench",
                *("-M", "prepared", "-n", "-c", str(clients), "-j", "2"),
                *("-T", str(max(round(ROUND_SECONDS), 1)), "-D", f"users={users or self.users}"),
                *("-f", str(HERE / "decide_spread.pgbench"), self.url),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        rate = re.search(r"^tps = ([0-9.]+)", output.stdout, re.MULTILINE)
        if rate is None:
            raise RuntimeError(f"pgbench reported no rate: {output.stdout}")
        return float(rate.group(1))


@contextmanager
def bench_database(users: int) -> Iterator[BenchDatabase]:
    """A new embedded server with this many accounts, each with ample credit."""
    with tempfile.TemporaryDirectory(prefix="cardops-bench-") as home:
        Path(home).chmod(0o711)
        settings = Settings(home=Path(home), database_url=None)
        with database(settings) as addresses:
            with connect(addresses.url) as session:
                session.execute("insert into programs values ('bench', 'USD')")
                session.execute(
                    "insert into accounts select 'bench', 'u-' || n, 'USD', %s, 0, 0"
                    " from generate_series(1, %s) as n",
                    [AVAILABLE_MINOR, users],
                )
                session.execute("vacuum analyze accounts")
                session.execute((HERE / "decide_one.sql").read_text())
            yield BenchDatabase(addresses.url, users, choose_binaries(Path(home) / "none", None))
