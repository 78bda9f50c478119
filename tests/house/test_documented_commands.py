"""What the documentation tells people to type can be typed: every command parses, every SQL runs."""

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
    """Each once, on one line, as a person would type it."""
    fenced = [
        line.partition("  #")[0].strip()
        for fence in fences(page)
        for line in fence.text.splitlines()
        if line.startswith("cardops ")
    ]
    inline = [" ".join(one.split()) for one in _INLINE.findall(page.read_text())]
    # `…` and `<id>` stand for something; a shell would take the second for a redirection.
    said = [re.sub(r"…|<\w+>", "x", one) for one in [*fenced, *inline]]
    return list(dict.fromkeys(said))


TOLD = [(page.name, command) for page in PAGES for command in commands(page)]
LIVE = [(name, shlex.split(one)[3]) for name, one in TOLD if one.startswith("cardops sql --live ")]


def parse(words: list[str]) -> None:
    """Raises click's UsageError for what the console would refuse."""
    command: Any = typer.main.get_command(app)
    context = command.make_context("cardops", list(words))
    while words and hasattr(command, "resolve_command"):
        _, command, words = command.resolve_command(context, words)
    # No words after it: it is named, not called.
    command.make_context(command.name, list(words), parent=context, resilient_parsing=not words)


@pytest.mark.parametrize(("page", "command"), TOLD)
def test_a_documented_command_is_one_that_parses(page: str, command: str) -> None:
    # A page may name a command without all it needs, but not with words that it does not know.
    words = [PLACEHOLDERS.get(word, word) for word in shlex.split(command)[1:]]
    try:
        parse([word for word in words if word != "--help"] or ["version"])
    except Exception as error:
        if type(error).__name__ != "MissingParameter":  # Typer has a copy of its own of click's
            raise


def test_a_command_that_does_not_parse_is_seen() -> None:
    for wrong in (["sql", "--lively", "x"], ["no-such"], ["callbacks", "lost"]):
        with pytest.raises(Exception, match="No such"):
            parse(wrong)


@pytest.mark.database
@pytest.mark.parametrize(("page", "query"), LIVE)
def test_documented_sql_runs_on_the_present_schema(
    module_database_url: str, page: str, query: str
) -> None:
    columns, _ = run_read_only_query(module_database_url, query, 10)

    assert columns


def test_there_are_commands_and_sql_to_try() -> None:
    assert len(TOLD) > 30
    assert len(LIVE) >= 5


def test_no_runbook_asks_the_marts_for_what_is_in_the_database() -> None:
    for page, command in TOLD:
        if command.startswith("cardops sql "):
            assert "--live" in command, page
