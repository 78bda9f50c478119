"""How much processor time a command takes, as a multiple of what no command can do without.

A limit in seconds would fail on a slow or busy machine. Both processes of a round run one after the
other, so whatever slows one down slows the other down as well.
"""

import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Final

# The packages behind every command that reads settings and the database.
IMPORTS: Final = "import typer.main, psycopg, pydantic_settings"


def children_seconds(work: Callable[[], object]) -> float:
    """CPU seconds, of user and system, of the processes that `work` starts and waits for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def multiples(run: Callable[[int], object], rounds: int) -> Iterator[float]:
    """For each round, what `run` takes divided by what its packages take to import."""
    for number in range(rounds):
        imports = children_seconds(_import)
        yield children_seconds(lambda number=number: run(number)) / imports  # type: ignore[misc]


def _import() -> None:
    subprocess.run([sys.executable, "-c", IMPORTS], check=True)
