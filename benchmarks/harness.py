"""How a benchmark is run: ours and its limit in turn, medians, one JSON line each.

These machines are noisy: what is said is a ratio of two medians of interleaved rounds, never a
figure alone. A benchmark is a context manager that sets up once and yields its two sides.
"""

import json
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

RESULTS: Final = Path(__file__).parent / "results" / "latest.jsonl"


@dataclass(frozen=True, slots=True)
class Sides:
    """One round of ours and one of its limit; each returns a figure in the benchmark's unit."""

    ours: Callable[[], float]
    limit: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A named comparison. `goal` says in words which ratio is wanted."""

    name: str
    unit: str
    goal: str
    sides: Callable[[], AbstractContextManager[Sides]]
    rounds: int = 3


@dataclass(frozen=True, slots=True)
class Result:
    """Medians of all rounds, and their ratio."""

    name: str
    ours: float
    limit: float
    ratio: float
    unit: str
    rounds: int


def run(benchmark: Benchmark) -> Result:
    """Interleave the rounds, so that what disturbs one side disturbs the other too."""
    ours, limits = [], []
    with benchmark.sides() as sides:
        for _ in range(benchmark.rounds):
            limits.append(sides.limit())
            ours.append(sides.ours())
    own, limit = statistics.median(ours), statistics.median(limits)
    return Result(benchmark.name, own, limit, own / limit, benchmark.unit, benchmark.rounds)


def run_all(benchmarks: list[Benchmark]) -> Iterator[tuple[Benchmark, Result]]:
    """Run each, write its JSON line as soon as it is known, say on stderr what is under way."""
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("w") as lines:
        for benchmark in benchmarks:
            sys.stderr.write(f"{benchmark.name} …\n")
            result = run(benchmark)
            lines.write(json.dumps(asdict(result)) + "\n")
            lines.flush()
            yield benchmark, result


def show(results: list[tuple[Benchmark, Result]]) -> None:
    """The table a person reads."""
    table = Table("benchmark", "ours", "limit", "unit", "ratio", "wanted")
    for benchmark, result in results:
        table.add_row(
            result.name,
            f"{result.ours:,.1f}",
            f"{result.limit:,.1f}",
            result.unit,
            f"{result.ratio:.2f}",
            benchmark.goal,
        )
    Console(width=120).print(table)
