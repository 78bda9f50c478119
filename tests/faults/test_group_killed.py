"""Small files whose group is killed at any step are ingested by a plain run, each row once."""

import signal
from pathlib import Path

import pytest

from assets.intake import every_accepted_row_in_lake, every_row_in_index
from cardops.rules.intake.files import FileStatus, Kind
from cardops.services.intake.ingestion import ingest_files
from tests.factories.deposit_desk import HEADER, DepositDesk, a_line
from tests.factories.disputed_files import PAID, TRANSACTIONS
from tests.servers.killable_group import die_in_groups

pytestmark = pytest.mark.database

FILES = 3
# More steps than a group has; a process that dies at none of them ends by itself.
ALL_STEPS = range(1, 41)
# When deposits are credited, and before the files are finished.
SOME_STEPS = (9, 13)
SOAK = [pytest.mark.soak, pytest.mark.timeout(900)]


def claimed_group(desk: DepositDesk, kind: Kind, number: int) -> list[int]:
    """Files of one poll: each has a row of its own, the first one's row again, and a bad one."""
    if kind == "deposits":
        header, line = HEADER, a_line(f"a{number}x0", "10.00", f"u{number:02d}")
    else:
        header, line = TRANSACTIONS, PAID.replace("t1", f"a{number}x0")
    keys = [f"incoming/{kind}/{number:02d}-{at}.csv" for at in range(FILES)]
    for at, key in enumerate(keys):
        own = line.replace("x0", f"x{at}")
        content = f"{header}\n{own}\n{line}\nbad\n"
        desk.raw_store.create(key, content.encode())
    claims = desk.submissions.claims
    files = claims.claim(kind, [claims.listed(key) for key in keys])
    return [file.intake_id for file in files]


@pytest.mark.parametrize(
    ("kind", "steps"),
    [
        (Kind("deposits"), SOME_STEPS),
        pytest.param(Kind("deposits"), ALL_STEPS, marks=SOAK),
        pytest.param(Kind("transactions"), ALL_STEPS, marks=SOAK),
    ],
)
def test_killed_group_is_finished_by_a_plain_run(
    database_url: str, tmp_path: Path, kind: Kind, steps: "range | tuple[int, ...]"
) -> None:
    desk = DepositDesk(database_url, tmp_path)
    groups = [(claimed_group(desk, kind, number), step) for number, step in enumerate(steps)]

    ended = die_in_groups(database_url, tmp_path, groups)
    killed = ended.count(-signal.SIGKILL)
    assert ended == [-signal.SIGKILL] * killed + [0] * (len(steps) - killed)
    assert killed == len(steps) if steps is SOME_STEPS else 8 < killed < len(steps)
    today = desk.ports.clock.now().date()
    ingest_files(desk.intake_ledger.claimed_on(kind, today), (), desk.ports)

    files = desk.intake_ledger.claimed_on(kind, today)
    assert {file.status for file in files} == {FileStatus.APPLIED}
    outcomes = [file.outcome for file in files if file.outcome]
    counts = [(o.read, o.accepted, o.duplicate, o.quarantined) for o in outcomes]
    # The first file's own row is repeated in it.
    assert counts == [(3, 1, 1, 1)] * len(files)
    assert every_accepted_row_in_lake(files, desk.lake).passed
    table = desk.lake.scan(kind)
    assert table is not None
    assert table.collect().height == len(files)
    if kind == "deposits":
        assert set(desk.balances().values()) == {1000 * FILES}
        assert desk.file_breaks() == []
    else:
        assert every_row_in_index(files, desk.lake, desk.ports.known_rows).passed
