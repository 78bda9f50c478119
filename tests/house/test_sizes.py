"""Budgets for modules and functions; run as a script it prints the table of docs/architecture.md."""

import ast
import re
import statistics
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (
    "cardops",
    "assets",
    "resources",
    "sensors",
    "orchestration",
    "authorizer",
    "simulation",
    "benchmarks",
)
# No budget, but a question: past this length a module may have two reasons to change.
LONG_MODULE_LINES = 400
# Modules past it that have one reason to change, each with that reason.
LONG_MODULES: dict[str, str] = {}
MAX_FUNCTION_LINES = 70
MAX_NESTING = 3
# What is nested deeper, and reads better whole.
DEEPLY_NESTED = {"simulation/traffic.py _post"}
Function = ast.FunctionDef | ast.AsyncFunctionDef
_NESTING = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)


def sources() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "--", *(f"{folder}/*.py" for folder in FOLDERS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    files = [ROOT / name for name in listing.stdout.split()]
    return [path for path in files if path.is_file() and path.read_text().strip()]


def module_lengths() -> dict[str, int]:
    return {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in sources()
        if path.name != "__init__.py"
    }


@cache
def functions() -> list[tuple[str, Function]]:
    return [
        (f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node)
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, Function)
    ]


def function_lengths() -> dict[str, int]:
    return {name: (node.end_lineno or node.lineno) - node.lineno + 1 for name, node in functions()}


def nesting(node: ast.AST) -> int:
    """How deep blocks are nested in it; an `elif` is as deep as its `if`, a function in it none."""
    depths = [0]
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.ClassDef | ast.Lambda):
            continue
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and [child] == node.orelse
        depths.append(nesting(child) + (isinstance(child, _NESTING) and not is_elif))
    return max(depths)


def spread(lengths: dict[str, int]) -> tuple[int, int, int]:
    """Median, 95th percentile and largest."""
    values = sorted(lengths.values())
    return round(statistics.median(values)), values[int(len(values) * 0.95)], values[-1]


def test_long_module_has_a_reason() -> None:
    long = {name for name, lines in module_lengths().items() if lines > LONG_MODULE_LINES}

    assert long <= set(LONG_MODULES)


def test_no_function_is_over_70_lines() -> None:
    over = {name: lines for name, lines in function_lengths().items() if lines > MAX_FUNCTION_LINES}

    assert not over


def test_functions_are_short_as_a_rule() -> None:
    median, nearly_all, _ = spread(function_lengths())

    assert median < 10
    assert nearly_all <= 40


def test_blocks_are_nested_at_most_three_deep() -> None:
    deep = {re.sub(r":\d+", "", name) for name, node in functions() if nesting(node) > MAX_NESTING}

    assert deep <= DEEPLY_NESTED


def test_nesting_is_counted() -> None:
    (function,) = ast.parse(
        "def f():\n if a:\n  pass\n elif b:\n  for x in y:\n   with z:\n    while c:\n     pass\n"
    ).body

    assert nesting(function) == 4


if __name__ == "__main__":
    for name, lengths in (("modules", module_lengths()), ("functions", function_lengths())):
        print(name, len(lengths), *spread(lengths))  # noqa: T201 - a table for a document
