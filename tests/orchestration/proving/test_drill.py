"""A drill restores the store as it was at the dump, proves the checks on it, and leaves nothing behind."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import dagster as dg
import pytest
from typer.testing import CliRunner

from assets.recovery_drill import recovery_drill
from cardops.adapters.embedded_postgresql.binaries import WHEEL_FOLDERS, choose_binaries
from cardops.adapters.embedded_postgresql.places import PLACES_FOR_ROOT
from cardops.adapters.embedded_postgresql.restored import digests, restored_store
from cardops.adapters.postgresql.connection import connect
from cardops.bootstrap import Adapters
from cardops.rules.reconciliation.damages import DAMAGES
from cardops.rules.reconciliation.drills import Drill, DrillFailedError, Restore, TableDigest
from orchestration.cli.commands import doctor
from orchestration.proving.drill import SettingsDrill
from tests.factories.busy_days import adapters_of, be_busy

pytestmark = pytest.mark.database

TWO: Final = DAMAGES[:2]


@dataclass
class Round:
    """One drill of a store that goes on being used, and what was seen around it."""

    store: Adapters
    drill: Drill
    said: list[str]
    before: Mapping[str, TableDigest]
    left: set[Path]


@pytest.fixture(scope="module")
def store(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Adapters:
    adapters = adapters_of(module_database_url, tmp_path_factory.mktemp("home"))
    be_busy(adapters, seed=5, rounds=1)
    return adapters


@pytest.fixture(scope="module")
def done(store: Adapters) -> Round:
    """Deposits and decisions are made while the dump is being restored."""
    said: list[str] = []

    def say(sentence: str) -> None:
        said.append(sentence)
        if sentence.startswith("Restoring"):
            be_busy(store, seed=9, rounds=1)

    there = data_directories()
    with connect(store.database.url) as session:
        before = digests(session)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cardops.services.reconciliation.proving.DAMAGES", TWO)
        drill = SettingsDrill(store.settings).run(say)
    return Round(store, drill, said, before, data_directories() - there)


def data_directories() -> set[Path]:
    """Of servers that root starts."""
    return {path for place in PLACES_FOR_ROOT if place.is_dir() for path in place.iterdir()}


def test_drill_of_a_store_in_use_passes(done: Round) -> None:
    assert done.drill.is_passed
    assert done.drill.damages == [damage.kind for damage in TWO]
    assert done.drill.restore.row_count > 300
    assert done.said[:3] == [
        "Dumping the store.",
        "Restoring the dump into a server of its own.",
        "Comparing every table with the store at the time of the dump.",
    ]


def test_restored_store_is_the_one_at_the_time_of_the_dump(done: Round) -> None:
    with connect(done.store.database.url) as session:
        now = digests(session)

    assert done.drill.restore.restored == done.before
    assert done.before["decisions"] != now["decisions"], "the store went on meanwhile"


def test_drill_leaves_no_server_behind(done: Round) -> None:
    assert done.left == set()


CHANGED_ROW: Final = """
update intake_files set size_bytes = size_bytes + 1
where intake_id = (select min(intake_id) from intake_files)
"""
NEW_ROW: Final = """
insert into intake_files
    (kind, program, bucket, key, version, content_sha256, size_bytes, business_date)
values ('deposits', 'default', 'raw', 'k', 'v', 'c', 1, '2026-11-20')
"""


@pytest.mark.parametrize("damage", [CHANGED_ROW, NEW_ROW])
def test_digest_of_a_table_finds_one_changed_row(store: Adapters, damage: str) -> None:
    with connect(store.database.url, autocommit=False) as session:
        before = digests(session)
        session.execute(damage.encode())
        after = digests(session)
        session.rollback()

    assert Restore(before, after, 1, 0.1, 0.1).differing == ["intake_files"]


def test_store_of_a_newer_server_says_which_programs_it_needs(
    store: Adapters, tmp_path: Path
) -> None:
    older = Path(*choose_binaries(tmp_path, None).parts[:-2], WHEEL_FOLDERS[16], "bin")
    with connect(store.database.url) as session:
        if session.info.server_version < 170_000:
            pytest.skip("the server of this round is as old as the older programs")

    with (
        pytest.raises(DrillFailedError, match="set CARDOPS_POSTGRES_BIN to programs of version"),
        restored_store(store.database.url, older, lambda _: None),
    ):
        pass


ROWS = {"accounts": TableDigest(2, "17"), "postings": TableDigest(5, "4")}


def a_drill(**changes: Any) -> Drill:
    made = {
        "restore": Restore(ROWS, dict(ROWS), 100, 1.0, 2.0),
        "break_count": 0,
        "damages": ["a", "b"],
        "missed": [],
    }
    return Drill(**{**made, **changes})


LOST = Restore(ROWS, {**ROWS, "postings": TableDigest(4, "3")}, 100, 1.0, 2.0)


@pytest.mark.dagster
@pytest.mark.parametrize(
    ("drill", "failed"),
    [
        (a_drill(), set()),
        (
            a_drill(restore=LOST, damages=[]),
            {
                "restored_tables_equal_the_store",
                "restored_books_have_no_break",
                "every_planted_damage_is_found",
            },
        ),
        (a_drill(break_count=3), {"restored_books_have_no_break"}),
        (a_drill(missed=["b"]), {"every_planted_damage_is_found"}),
    ],
)
def test_failed_drill_fails_its_checks_and_the_run(drill: Drill, failed: set[str]) -> None:
    class Fixed:
        def run(self, say: object) -> Drill:
            return drill

    result = dg.materialize([recovery_drill], resources={"drill": Fixed()}, raise_on_error=False)

    checks = result.get_asset_check_evaluations()
    assert {check.check_name for check in checks if not check.passed} == failed
    assert all(
        check.metadata["runbook"].value == "docs/runbooks/recovery-drill.md" for check in checks
    )
    assert drill.is_passed is (not failed)
    assert result.success is (not failed)


@pytest.mark.parametrize(
    ("drill", "code", "printed"),
    [
        (a_drill(), 0, "0 breaks; 2 of 2 kinds of damage were found."),
        (a_drill(missed=["b"]), 1, "0 breaks; 1 of 2 kinds of damage were found."),
        (a_drill(restore=LOST, damages=[]), 1, "Not the same after the restore: postings."),
    ],
)
def test_command_prints_the_drill(
    drill: Drill, code: int, printed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SettingsDrill, "run", lambda *_: drill)
    settings = {"CARDOPS_HOME": str(tmp_path)}

    plain = CliRunner().invoke(doctor.app, ["--drill"], env=settings)
    machine = CliRunner().invoke(doctor.app, ["--drill", "--json"], env=settings)

    assert (plain.exit_code, machine.exit_code) == (code, code)
    assert printed in plain.stdout
    values = json.loads(machine.stdout)
    assert (values["passed"], values["rows"]) == (code == 0, 7)
    assert (values["missed"], values["differing"]) == (list(drill.missed), drill.restore.differing)
