"""Budgets of style.md: short functions, files of one subject. Prints the table of docs/architecture.md."""

import ast
import statistics
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = (
    "cardops",
    "assets",
    "resources",
    "sensors",
    "orchestration",
    "authorizer",
    "simulation",
    "benchmarks",
)
# Past about this length style.md asks whether a file has two reasons to change.
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 70


def sources() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "--", *(f"{room}/*.py" for room in ROOMS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    files = [ROOT / name for name in listing.stdout.split()]
    return [path for path in files if path.is_file() and path.read_text().strip()]


def file_lengths() -> dict[str, int]:
    return {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in sources()
        if path.name != "__init__.py"
    }


def function_lengths() -> dict[str, int]:
    lengths = {}
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                name = f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
                lengths[name] = (node.end_lineno or node.lineno) - node.lineno + 1
    return lengths


def spread(lengths: dict[str, int]) -> tuple[int, int, int]:
    """Median, 95th percentile and largest."""
    values = sorted(lengths.values())
    return round(statistics.median(values)), values[int(len(values) * 0.95)], values[-1]


def test_no_file_is_over_its_budget() -> None:
    over = {name: lines for name, lines in file_lengths().items() if lines > MAX_FILE_LINES}

    assert not over


def test_no_function_is_over_its_budget() -> None:
    over = {name: lines for name, lines in function_lengths().items() if lines > MAX_FUNCTION_LINES}

    assert not over


def test_functions_are_short_as_a_rule() -> None:
    median, nearly_all, _ = spread(function_lengths())

    assert median <= 10
    assert nearly_all <= 40


if __name__ == "__main__":
    for name, lengths in (("files", file_lengths()), ("functions", function_lengths())):
        print(name, len(lengths), *spread(lengths))  # noqa: T201 - a table for a document
