"""The `cardops` command starts fast, imports lazily and prints expected errors as one sentence."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cardops.adapters.postgresql.errors import DatabaseUnavailableError
from orchestration.cli.main import COMMANDS, sentence_of
from orchestration.cli.output import CommandError
from tests.servers.processor_time import multiples
from tests.servers.warm_command import WarmProcess, command

ROOT = Path(__file__).resolve().parents[3]
LIGHT = [
    *("version", "authorizer", "key", "program", "user", "callbacks", "doctor", "quarantine"),
    "alarms",
]
TIMEOUT_SECONDS = 240


def cardops(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own; what it imports by itself is tested below."""
    process = WarmProcess({**os.environ, **environment}, ROOT, TIMEOUT_SECONDS)
    return process.run(command, *arguments)


def modules_of(*arguments: str) -> set[str]:
    """The modules that are loaded when the command ends."""
    program = (
        "import sys, json\n"
        f"sys.argv = ['cardops', *{list(arguments)!r}]\n"
        "from orchestration.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "sys.stderr.write(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in LIGHT)])
def test_light_command_never_loads_dagster(arguments: list[str]) -> None:
    loaded = modules_of(*arguments)

    assert "orchestration.cli.main" in loaded
    assert not loaded & {"dagster", "dagster_dbt", "pandera", "apprise"}


def test_help_names_every_command_and_is_fast() -> None:
    """Faster than the packages of other commands are imported."""
    text = help_text()

    assert all(name in text for name in COMMANDS)
    assert any(multiple < 1 for multiple in multiples(lambda _: help_text(), rounds=3))


def help_text() -> str:
    return subprocess.run(
        [sys.executable, "-m", "orchestration.cli.main", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_listed_command_exists_and_has_help(name: str) -> None:
    done = cardops(name, "--help")

    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_version_as_json_is_one_object() -> None:
    done = cardops("version", "--json")

    assert json.loads(done.stdout)["cardops"]


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (["submit", "/nowhere.csv", "--kind", "deposits"], {}, "There is no file /nowhere.csv"),
        (["submit", "pyproject.toml", "--kind", "orders", "--mode", "by_network"], {}, "--mode is"),
        (["key", "list"], {"CARDOPS_DATABASE_URL": "mysql://x"}, "CARDOPS_DATABASE_URL is not"),
        (
            ["key", "list"],
            {"CARDOPS_DATABASE_URL": "postgresql://u:secret@127.0.0.1:1/x"},
            "127.0.0.1:1/x cannot be reached",
        ),
    ],
)
def test_impossible_command_is_one_sentence_and_exits_2(
    arguments: list[str], environment: dict[str, str], words: str
) -> None:
    done = cardops(*arguments, **environment)

    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr


def test_wrong_usage_exits_2() -> None:
    assert cardops("submit").returncode == 2
    assert cardops("nonsense").returncode == 2


def test_only_unexpected_errors_keep_their_traceback() -> None:
    assert sentence_of(CommandError("Do this.")) == "Do this."
    assert sentence_of(DatabaseUnavailableError("Fix that.")) == "Fix that."
    assert "No space left on device" in str(sentence_of(OSError(28, "No space left on device")))
    assert sentence_of(KeyError("a bug")) is None


@pytest.mark.parametrize("day", ["2020-01-01", "2999-01-01"])
def test_report_of_a_date_that_cannot_be_closed_is_one_sentence(day: str, tmp_path: Path) -> None:
    done = cardops("report", "--date", day, CARDOPS_HOME=str(tmp_path))

    assert (done.returncode, done.stderr.count("Traceback")) == (2, 0)
    assert f"{day} cannot be closed" in done.stderr
