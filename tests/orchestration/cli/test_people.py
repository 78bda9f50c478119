"""Who asked for what a command did is never nobody."""

import getpass
import re
from pathlib import Path

import pytest

import orchestration.cli
from orchestration.account import whoami
from orchestration.cli.output import CommandError
from orchestration.cli.people import person_of

FOLDER = Path(orchestration.cli.__file__).parent


def test_person_is_who_is_named_else_who_runs_the_command() -> None:
    assert person_of(" ann ") == "ann"
    assert person_of(None) == whoami()
    for empty in ("", "  "):
        with pytest.raises(CommandError, match="--by is empty, so nothing was done"):
            person_of(empty)


def test_account_without_a_name_is_known_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", nobody)

    assert re.fullmatch(r"uid-\d+@.+", whoami())


def test_every_command_with_by_asks_who_it_is() -> None:
    """Each file with the option `--by` hands it to `person_of`, and none records it as it was typed."""
    files = [
        path
        for path in FOLDER.rglob("*.py")
        if re.search(r"^    by: ", path.read_text(), re.MULTILINE)
    ]

    assert len(files) > 10
    assert [path.name for path in files if "person_of(by)" not in path.read_text()] == []
