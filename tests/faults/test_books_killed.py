"""A close that takes up a late row, and a file that is indexed, killed at any step: a plain repeat mends it."""

import signal
from pathlib import Path

import polars as pl
import pytest

from cardops.adapters.postgresql.connection import connect
from cardops.bootstrap import Adapters
from cardops.rules.intake.files import Kind
from cardops.services.intake.index_check import differences_on
from cardops.services.intake.ingestion import ingest_file
from cardops.services.reconciliation.reconciling import Extent
from orchestration.composition import claims_of, intake_ports_of, reconciliation_of
from orchestration.proving.specimen import close_books, submit_deposits
from tests.factories.busy_days import adapters_of, move_to_yesterday
from tests.factories.disputed_files import TRANSACTIONS
from tests.factories.real_days import today, yesterday
from tests.servers.killable_close import dying_processes

pytestmark = pytest.mark.database

KIND = Kind("transactions")
# More steps than either has; a process that dies at none of them ends by itself.
ALL_STEPS = range(1, 56)
SOAK = [pytest.mark.soak, pytest.mark.timeout(1800)]


def submit(store: Adapters, user: str) -> None:
    path = store.settings.home / f"{user}.csv"
    path.write_text(
        "user_id,amount,deposit_id,timestamp,currency\n"
        f"{user},10.00,d-{user},2026-03-01T00:00:00Z,USD\n"
    )
    submit_deposits(store, "default", [path])


def assert_killed_at(ended: list[int]) -> None:
    """Some steps are within the act; of all steps, the last are beyond its end."""
    killed = ended.count(-signal.SIGKILL)
    assert ended == [-signal.SIGKILL] * killed + [0] * (len(ended) - killed)
    assert killed == len(ended) if len(ended) == 1 else 4 < killed < len(ended)


# Between the late row's log in the lake and its record.
@pytest.mark.parametrize("steps", [(7,), pytest.param(ALL_STEPS, marks=SOAK)])
def test_killed_close_with_a_late_row_is_made_up_for_by_the_next(
    database_url: str, tmp_path: Path, steps: "range | tuple[int, ...]"
) -> None:
    store, ended = adapters_of(database_url, tmp_path), []
    submit(store, "u00")
    move_to_yesterday(store)
    close_books(store, yesterday())
    with connect(database_url) as session:
        session.execute("update exported_days set is_closed = true")
    with dying_processes(database_url, tmp_path) as processes:
        for step in steps:
            reconciliation_of(store).reconcile_closed(yesterday(), Extent.ALL)
            user = f"u{step:02d}"
            submit(store, user)
            with connect(database_url) as session:
                session.execute(
                    "update deposit_events set posted_at = posted_at - interval '1 day'"
                    " where user_id = %s",
                    [user],
                )

            ended.append(processes.run("close", step))
            close_books(store, today())
            found, _ = reconciliation_of(store).reconcile_closed(today())
            proof = reconciliation_of(store).reconcile(yesterday(), Extent.ALL)

            assert (set(found.breaks["check_name"]), set(proof.breaks["check_name"])) == (
                set(), set(),
            )  # fmt: skip
            log = pl.read_parquet(store.lake_books.log_file(yesterday()))
            assert log["user_id"].to_list().count(user) == 1
    assert_killed_at(ended)


@pytest.mark.parametrize("steps", [(6,), pytest.param(ALL_STEPS, marks=SOAK)])
def test_killed_file_is_known_as_often_as_it_is_in_the_lake(
    database_url: str, tmp_path: Path, steps: "range | tuple[int, ...]"
) -> None:
    store, ended = adapters_of(database_url, tmp_path), []
    claims, ports = claims_of(store), intake_ports_of(store)
    with dying_processes(database_url, tmp_path) as processes:
        for step in steps:
            path = tmp_path / f"{step}.csv"
            rows = [
                f"t{step}-{number},o1,u1,{number}.00,USD,card,completed,2026-11-01T10:00:00Z,visa"
                for number in range(1, 4)
            ]
            # The first row again: a repeat of one in the file before.
            path.write_text("\n".join([TRANSACTIONS, *rows, f"t0{rows[0][rows[0].index('-') :]}"]))
            (entry,) = claims.claim(KIND, claims.put(KIND, "default", [path]))

            ended.append(processes.run(f"ingest:{entry.intake_id}", step))
            ingest_file(entry.intake_id, ports)

            assert differences_on(
                KIND, [today()], store.intake_ledger, store.lake, store.known_rows
            ) == []  # fmt: skip
            table = store.lake.scan("transactions")
            assert table is not None
            ids = table.select("transaction_id").collect().to_series().to_list()
            assert len(ids) == len(set(ids)) == 3 * len(ended) + 1
    assert_killed_at(ended)
