"""Names use the glossary's words: those that they replaced do not come back (docs/glossary.md)."""

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Word in a name -> what to say instead.
REPLACED = {
    "courier": "delivery service",
    "deed": "step",
    "fate": "expected outcome",
    "filer": "file builder",
    "folded": "current",
    "gate": "authenticator",
    "heap": "dataset",
    "keep_aside": "quarantine",
    "lane": "host queue",
    "owe": "pending",
    "road": "source, placement",
    "set_aside": "quarantine",
    "spool": "workspace",
    "take_in": "ingest",
}
# Names that another program or a stored column gives, as `path: name`.
ALLOWED: set[str] = set()


def words_of(name: str) -> str:
    """`TakenFile` and `_taken_file` as `_taken_file_`."""
    separated = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return f"_{separated.strip('_')}_"


def names_in(source: str) -> Iterator[str]:
    """Every identifier of a module, as it is written there."""
    for node in ast.walk(ast.parse(source)):
        for field in ("id", "attr", "name", "arg"):
            name = getattr(node, field, None)
            if isinstance(name, str):
                yield name


@cache
def replaced_words(name: str) -> list[str]:
    words = words_of(name)
    return [word for word in REPLACED if f"_{word}_" in words or f"_{word}s_" in words]


def test_no_name_uses_a_replaced_word() -> None:
    listing = subprocess.run(
        ["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = {
        f"{path}: {name}"
        for path in listing.stdout.split()
        if (ROOT / path).is_file()
        for name in names_in((ROOT / path).read_text())
        if replaced_words(name)
    }

    assert found == ALLOWED


def test_replaced_words_are_found_in_names() -> None:
    assert replaced_words("CourierRoads") == ["courier", "road"]
    assert replaced_words("_spool_file") == ["spool"]
    assert replaced_words("broadcast") == []
    assert set(names_in("def f(a): return a.b(c=1)")) == {"f", "a", "b", "c"}
