"""A copy of the program as a later release may look: with one more migration and everything else unchanged."""

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("cardops", "authorizer", "orchestration", "assets", "resources", "sensors")
# What a later release may do to the tables of the money path: add, with defaults.
MIGRATION = """
alter table accounts add column tier text not null default 'plain';
alter table decisions add column network text;
alter table movements add column network text;
alter table holds add column note text;
alter table callbacks add column priority integer not null default 0;
alter table programs add column region text not null default 'home';
alter table spending_limits add column note text;
create table later_things (program text primary key);
create index decisions_by_network on decisions (network) where network is not null;
"""
VERSION = 9001


def later_release(place: Path) -> dict[str, str]:
    """Settings of a process that runs the copy."""
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, place / package, ignore=ignored)
    migrations = place / "cardops/adapters/postgresql/migrations"
    (migrations / f"{VERSION}_later_columns.sql").write_text(MIGRATION)
    # The safe path leaves out the directory that the test itself runs in.
    return {"PYTHONPATH": str(place), "PYTHONSAFEPATH": "1"}
