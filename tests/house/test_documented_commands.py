"""Every command in the documentation parses, and every SQL query in it runs."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from cardops.adapters.postgresql.read_only_query import run_read_only_query
from orchestration.cli.main import app
from tests.factories.documents import DOCS, fences

ROOT = DOCS.parent
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
# `cardops …` between backticks, over line ends too, with something after the word.
_INLINE = re.compile(r"`(cardops\s[^`]+)`")

PLACEHOLDERS = {"D": "2026-11-21"}


def commands(page: Path) -> list[str]:
    """Each command once, on one line, as a person would type it."""
    fenced = [
        line.partition("  #")[0].strip()
        for fence in fences(page)
        for line in fence.text.splitlines()
        if line.startswith("cardops ")
    ]
    inline = [" ".join(command.split()) for command in _INLINE.findall(page.read_text())]
    # `…` and `<id>` are placeholders; a shell would read the second as a redirection.
    found = [re.sub(r"…|<\w+>", "x", command) for command in [*fenced, *inline]]
    return list(dict.fromkeys(found))


DOCUMENTED = [(page.name, command) for page in PAGES for command in commands(page)]
LIVE = [
    (page, shlex.split(command)[3])
    for page, command in DOCUMENTED
    if command.startswith("cardops sql --live ")
]


def parse(words: list[str]) -> None:
    """Raises click's UsageError for what the console would refuse."""
    command: Any = typer.main.get_command(app)
    context = command.make_context("cardops", list(words))
    while words and hasattr(command, "resolve_command"):
        _, command, words = command.resolve_command(context, words)
    # Without words after it, the command is only mentioned, not called.
    command.make_context(command.name, list(words), parent=context, resilient_parsing=not words)


@pytest.mark.parametrize(("page", "command"), DOCUMENTED)
def test_documented_command_parses(page: str, command: str) -> None:
    # A page may mention a command without its required options, but not with unknown ones.
    words = [PLACEHOLDERS.get(word, word) for word in shlex.split(command)[1:]]
    error = None
    try:
        parse([word for word in words if word != "--help"] or ["version"])
    except Exception as refused:  # noqa: BLE001 - Typer has its own copies of click's errors
        error = refused

    assert error is None or type(error).__name__ == "MissingParameter", error


def test_command_that_does_not_parse_is_noticed() -> None:
    for wrong in (["sql", "--lively", "x"], ["no-such"], ["callbacks", "lost"]):
        with pytest.raises(Exception, match="No such"):
            parse(wrong)


@pytest.mark.database
@pytest.mark.parametrize(("page", "query"), LIVE)
def test_documented_sql_runs_on_the_current_schema(
    module_database_url: str, page: str, query: str
) -> None:
    columns, _ = run_read_only_query(module_database_url, query, 10)

    assert columns


def test_documents_contain_commands_and_sql() -> None:
    assert len(DOCUMENTED) > 30
    assert len(LIVE) >= 5


def test_queries_are_of_the_database_or_of_marts_that_there_are() -> None:
    marts = {path.stem for path in (ROOT / "dbt_project/models").rglob("*.sql")}
    for page, command in DOCUMENTED:
        if command.startswith("cardops sql ") and not {"--live", "--tables"} & {*command.split()}:
            tables = re.findall(r"\b(?:from|join) (\S+)", command)
            assert tables, page
            assert {table.removeprefix("marts.") for table in tables} <= marts, page
            assert all(table.startswith("marts.") for table in tables), page
