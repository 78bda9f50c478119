"""`cardops doctor --prove` on a busy store: each planted damage is found by the check that names it."""

import json
import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.database_copy import CopyRefusedError, copied_database
from cardops.bootstrap import Adapters
from cardops.rules.reconciliation.comparisons import COMPARISONS
from cardops.rules.reconciliation.damages import DAMAGES, Damage
from orchestration.cli.commands import doctor
from tests.factories.busy_days import adapters_of, be_busy, move_to_yesterday

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.database

# What it says on standard error while it works.
PARTS = [
    "Copying the store.",
    "Adding a small program that has one of everything.",
    "Closing the books of the copy.",
    "Comparing the copy without any damage.",
    "Removing all other programs from the copy.",
    "Planting damages, one after the other.",
]


@pytest.fixture(scope="module")
def store(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Adapters:
    """Busy on two dates, and nothing of them is exported yet."""
    adapters = adapters_of(module_database_url, tmp_path_factory.mktemp("home"))
    be_busy(adapters, seed=5)
    move_to_yesterday(adapters)
    be_busy(adapters, seed=6, rounds=1)
    return adapters


@pytest.fixture(scope="module")
def proved(store: Adapters) -> dict[str, Any]:
    """What `cardops doctor --prove --json` prints."""
    settings = {
        "CARDOPS_HOME": str(store.settings.home),
        "CARDOPS_DATABASE_URL": str(store.settings.database_url),
    }
    done = CliRunner().invoke(doctor.app, ["--prove", "--json"], env=settings)
    assert done.exit_code == 0, done.output
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


def test_books_without_damage_have_no_break(proved: dict[str, Any]) -> None:
    assert (proved["breaks_before"], proved["missed"]) == (0, [])


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.kind)
def test_damage_is_found_by_its_check(proved: dict[str, Any], damage: Damage) -> None:
    found_by = {proof["kind"]: proof["found_by"] for proof in proved["damages"]}

    assert damage.check in found_by[damage.kind]


def test_stores_that_the_environment_names_are_only_read(
    store: Adapters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a store in a bucket is named: the copy would have written into it."""
    home = tmp_path / "home"
    shutil.copytree(store.settings.home, home)
    for role in ("raw", "processed", "failed", "lake", "iceberg"):
        (home / role).mkdir(exist_ok=True)
        monkeypatch.setenv(
            f"CARDOPS_{role.upper()}_URL", str((home / role).rename(tmp_path / role))
        )
    monkeypatch.setenv("CARDOPS_HOME", str(home))
    monkeypatch.setenv("CARDOPS_DATABASE_URL", str(store.settings.database_url))
    damage = next(damage for damage in DAMAGES if damage.kind == "carried_balances_lost")
    monkeypatch.setattr("cardops.services.reconciliation.proving.DAMAGES", [damage])
    before = files_below(tmp_path)

    done = CliRunner().invoke(doctor.app, ["--prove"])

    assert done.exit_code == 0, done.output
    assert files_below(tmp_path) == before


def files_below(folder: Path) -> dict[str, bytes]:
    """What the files have, without the locks of the home."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }


def test_missed_damage_is_printed_and_exits_1(
    store: Adapters, proved: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = Damage("nothing_planted", "holds_end_at_most_once")
    monkeypatch.setattr("cardops.services.reconciliation.proving.DAMAGES", [unknown])
    settings = {
        "CARDOPS_HOME": str(store.settings.home),
        "CARDOPS_DATABASE_URL": str(store.settings.database_url),
    }

    done = CliRunner().invoke(doctor.app, ["--prove"], env=settings)

    assert (done.exit_code, bool(proved)) == (1, True)
    assert "MISSED  nothing_planted" in done.stdout
    assert done.stderr.splitlines() == PARTS
    assert "0 of 1 kinds of damage were found." in done.stdout


def test_each_check_finds_a_damage_and_each_kind_is_one() -> None:
    assert {damage.check for damage in DAMAGES} == {item.check for item in COMPARISONS}
    assert len({damage.kind for damage in DAMAGES}) == len(DAMAGES) > 20


def test_docs_name_the_check_that_finds_each_kind() -> None:
    """The first kind of a line is found by the first check, and so on; a check is named once a line."""
    check_of = {damage.kind: damage.check for damage in DAMAGES}
    text = (ROOT / "docs/reconciliation.md").read_text()
    lines = re.findall(
        r"^\| [a-z ]+ \| (`.*`) \| (`.*`) \|$", text.partition("| damage |")[2], re.MULTILINE
    )

    assert len(lines) == 9
    for kinds, checks in lines:
        named = dict.fromkeys(check_of[kind] for kind in re.findall("`([a-z_]+)`", kinds))
        assert list(named) == re.findall("`([a-z_]+)`", checks)


def test_proving_leaves_the_books_as_they_were(store: Adapters, proved: dict[str, Any]) -> None:
    with connect(store.database.url) as session:
        programs = session.execute("select program from programs").fetchall()
        databases = session.execute("select datname from pg_database").fetchall()

    assert proved
    assert programs == [("default",)]
    assert not [name for (name,) in databases if name.startswith("cardops_copy_")]
    assert not [stat for stat in store.raw_store.list_objects("incoming/") if "eve" in stat.key]


def test_user_without_the_right_to_create_a_database_is_told_what_to_do(
    module_database_url: str, store: Adapters
) -> None:
    may_create_roles = "select rolcreaterole or rolsuper from pg_roles where rolname = current_user"
    with connect(module_database_url) as session:
        if session.execute(may_create_roles).fetchone() != (True,):
            pytest.skip("the user of this database may not create another user")
        session.execute("create role cardops_reader login password 'x'")
        session.execute("grant all on schema cardops to cardops_reader")
        session.execute("grant select on all tables in schema cardops to cardops_reader")
    try:
        url = _as_user(module_database_url, "cardops_reader:x")
        with pytest.raises(CopyRefusedError, match="grant it CREATEDB"), copied_database(url):
            pass
    finally:
        with connect(module_database_url) as session:
            session.execute("drop owned by cardops_reader")
            session.execute("drop role cardops_reader")
    assert store


def _as_user(url: str, user: str) -> str:
    address = urlsplit(url)
    host = address.netloc.rpartition("@")[2]
    return f"{address.scheme}://{user}@{host}{address.path}?{address.query}"
