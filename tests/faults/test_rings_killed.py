"""`fraud_rings`, killed at any step of writing: one snapshot is whole, and a repeat is as if never killed."""

import os
import shutil
import signal
from datetime import date, timedelta
from pathlib import Path

import pytest

from cardops.adapters.warehouse.ring_snapshots import LakeRingSnapshots
from cardops.adapters.warehouse.ring_sources import LakeRingSources
from cardops.contracts.lake.fraud_rings import MEMBERS, RINGS, SNAPSHOTS, TABLES
from cardops.services.fraud.rings import FraudRings
from tests.factories.lake_tables import DAY, rows_of
from tests.servers.killable_rings import lake_in, materialize_and_die

pytestmark = pytest.mark.dagster

EVE = DAY - timedelta(days=1)
# More than there are; a process that dies at none of them ends by itself.
ALL_STEPS = range(1, 41)
FEWEST_STEPS = 20
SOAK = [pytest.mark.soak, pytest.mark.timeout(1800)]
Snapshot = dict[str, list[tuple[object, ...]]]


def receive(folder: Path, name: str, day: date, *users: str) -> None:
    """A file of transactions on one phone."""
    rows = [
        {"transaction_id": f"t-{user}", "row_number": row, "user_id": user, "device_id": "phone-1"}
        for row, user in enumerate(users)
    ]
    lake_in(folder).write("transactions", day, name, rows_of("transactions", *rows))


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with snapshots of two dates, whose second date then gets one more user."""
    folder = tmp_path_factory.mktemp("before")
    receive(folder, "1", EVE, "ana", "bob")
    make_rings(folder)
    for path in (folder / "lake").rglob(f"business_date={DAY}"):
        shutil.copytree(path, path.with_name(f"business_date={EVE}"))
    receive(folder, "2", DAY, "cy")
    return folder


@pytest.fixture(scope="module")
def never_killed(before: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copied(before, tmp_path_factory.mktemp("never_killed"))
    make_rings(folder)
    return folder


def make_rings(folder: Path) -> None:
    """What the asset does, in this process."""
    lake = lake_in(folder)
    FraudRings(LakeRingSources(lake), LakeRingSnapshots(lake)).snapshot(DAY)


def copied(lake: Path, folder: Path) -> Path:
    shutil.copytree(lake, folder, dirs_exist_ok=True)
    return folder


def snapshot(folder: Path, day: date) -> Snapshot:
    tables = LakeRingSnapshots(lake_in(folder)).read(day)
    assert tables is not None
    return {table: tables[table].rows() for table in TABLES}


def stored(folder: Path) -> dict[str, bytes]:
    files = (folder / "lake").rglob("*.parquet")
    return {os.path.relpath(path, folder): path.read_bytes() for path in files}


# In the middle of the tables, between the row that makes the new snapshot current and the deletes, and
# before the delete of a file without rows.
@pytest.mark.parametrize("steps", [(8, 27, 32), pytest.param(ALL_STEPS, marks=SOAK)])
def test_killed_rings_leave_a_whole_snapshot_and_a_repeat_mends_all(
    before: Path, never_killed: Path, tmp_path: Path, steps: "range | tuple[int, ...]"
) -> None:
    folders = {copied(before, tmp_path / str(step)): step for step in steps}
    former, new = snapshot(before, DAY), snapshot(never_killed, DAY)
    assert len(former[MEMBERS]) == 2
    assert len(new[MEMBERS]) == 3
    # A ring keeps its id from the date before.
    assert former[RINGS][0][1] == new[RINGS][0][1]

    ended = materialize_and_die(folders)

    killed = ended.count(-signal.SIGKILL)
    assert ended == [-signal.SIGKILL] * killed + [0] * (len(ended) - killed)
    assert killed == len(ended) or FEWEST_STEPS < killed < len(ended)
    seen = [snapshot(folder, DAY) for folder in folders]
    # Whole at each step: the former one until some step, and the new one from then on.
    changed = seen.index(new)
    assert seen == [former] * changed + [new] * (len(seen) - changed)
    assert 0 < changed < killed
    assert all(snapshot(folder, EVE) == snapshot(before, EVE) for folder in folders)

    for folder, step in folders.items():
        make_rings(folder)
        assert stored(folder) == stored(never_killed), step


def test_first_snapshot_that_was_killed_is_none(tmp_path: Path) -> None:
    folders = {tmp_path / str(step): step for step in (1, 9, 17)}
    for folder in folders:
        receive(folder, "1", DAY, "ana", "bob")

    assert materialize_and_die(folders) == [-signal.SIGKILL] * 3

    for folder in folders:
        assert LakeRingSnapshots(lake_in(folder)).read(DAY) is None
        assert not stored(folder).keys() & {
            f"lake/{SNAPSHOTS}/business_date={DAY}/snapshot.parquet"
        }
