"""How benchmarks run: rounds of ours and its limit alternate; medians; one JSON line each.

Machines are noisy, so a result is the ratio of two medians of interleaved rounds, never a single
figure. A benchmark is a context manager that sets up once and yields its two sides.
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
    """Functions that measure one round of ours and of its limit, in the benchmark's unit."""

    ours: Callable[[], float]
    limit: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A named comparison; `goal` states the desired ratio."""

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
    """Interleave the rounds, so that noise affects both sides."""
    ours, limits = [], []
    with benchmark.sides() as sides:
        for _ in range(benchmark.rounds):
            limits.append(sides.limit())
            ours.append(sides.ours())
    own, limit = statistics.median(ours), statistics.median(limits)
    return Result(benchmark.name, own, limit, own / limit, benchmark.unit, benchmark.rounds)


def run_all(benchmarks: list[Benchmark]) -> Iterator[tuple[Benchmark, Result]]:
    """Run each, append its JSON line to the results, and print its name to stderr."""
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("w") as lines:
        for benchmark in benchmarks:
            sys.stderr.write(f"{benchmark.name} …\n")
            result = run(benchmark)
            lines.write(json.dumps(asdict(result)) + "\n")
            lines.flush()
            yield benchmark, result


def show(results: list[tuple[Benchmark, Result]]) -> None:
    """Print the results as a table."""
    table = Table("benchmark", "ours", "limit", "unit", "ratio", "goal")
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
