"""Old callbacks go to the lake whole and once, wherever a run is killed; dead ones stay."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from cardops.adapters.postgresql.callbacks.archive import PostgresCallbackArchive
from cardops.adapters.postgresql.connection import connect
from cardops.ports import CallbackArchive, Lake
from cardops.rules.callbacks.archives import ArchivedTable, Retention, day_of
from cardops.services.callbacks.archiving import CallbackArchiving
from tests.factories.old_callbacks import TODAY, add_callback, attempt_count, stored
from tests.fakes.lake import FakeLake

pytestmark = pytest.mark.database

KEPT_DAYS = Retention(callback_days=30, attempt_days=30)
NOW = TODAY.date()


def archive_now(url: str, lake: Lake, day: date = NOW) -> int:
    archiving = CallbackArchiving(PostgresCallbackArchive(url, KEPT_DAYS), lake)
    return sum(part.row_count for part in archiving.archive_until(day))


def archived(lake: FakeLake, table: str = "callbacks") -> list[str]:
    rows = lake.scan(table)
    return [] if rows is None else rows.collect().get_column("callback_id").sort().to_list()


def test_delivered_callbacks_are_archived_after_their_retention(database_url: str) -> None:
    lake = FakeLake()
    old = [add_callback(database_url, f"old-{days}", days=days) for days in (31, 31.5, 400)]
    other = add_callback(database_url, "old-other", days=40, program="other")
    add_callback(database_url, "young", days=28)
    add_callback(database_url, "dead", days=400, state="dead")
    add_callback(database_url, "pending", days=400, state="pending")

    assert archive_now(database_url, lake) == 4 + 6

    assert stored(database_url) == ["dead", "pending", "young"]
    assert archived(lake) == sorted([*old, other])
    # Attempts at dead callbacks are archived too; theirs is the log, not the callback.
    assert len(archived(lake, "callback_attempts")) == 6
    assert attempt_count(database_url) == 1
    assert {day for name, day, _ in lake.frames if name == "callbacks"} == {
        day_of(callback_id) for callback_id in [*old, other]
    }


def test_archive_holds_no_query_of_a_url_and_proves_the_body(database_url: str) -> None:
    lake = FakeLake()
    add_callback(database_url, "old", days=40)
    archive_now(database_url, lake)

    rows = lake.scan("callbacks")
    assert rows is not None
    (row,) = rows.collect().to_dicts()
    assert row["endpoint"] == "https://hook.example.com/a"
    assert row["body_sha256"].startswith("44136fa355b3678a")
    assert (row["last_status_code"], row["attempt_count"], row["is_test"]) == (200, 1, False)
    assert row["ended_at"] == TODAY - timedelta(days=40)


def test_callback_that_ended_later_goes_into_a_second_part_of_its_day(database_url: str) -> None:
    lake = FakeLake()
    first = add_callback(database_url, "first", days=40)
    replayed = add_callback(database_url, "replayed", days=40, ended_days=2)

    archive_now(database_url, lake)
    assert (archived(lake), stored(database_url)) == ([first], ["replayed"])

    archive_now(database_url, lake, NOW + timedelta(days=60))
    assert archived(lake) == sorted([first, replayed])
    assert [name for table, _, name in sorted(lake.frames) if table == "callbacks"] == [
        "0001",
        "0002",
    ]
    assert archive_now(database_url, lake, NOW + timedelta(days=60)) == 0


def test_callback_replayed_between_archive_and_deletion_stays(database_url: str) -> None:
    lake = FakeLake()
    add_callback(database_url, "old", days=40)

    class Replaying(PostgresCallbackArchive):
        def delete(self, table: ArchivedTable, *rows: Any) -> int:
            with connect(database_url) as session:
                session.execute("update callbacks set state = 'pending', ended_at = null")
                session.execute("update callbacks set state = 'delivered', ended_at = now()")
            return super().delete(table, *rows)

    archiving = CallbackArchiving(Replaying(database_url, KEPT_DAYS), lake)
    list(archiving.archive_until(NOW))

    assert stored(database_url) == ["old"]


class KilledError(BaseException):
    """Ends a run as a kill does: nothing after it runs."""


@dataclass
class Killer:
    """Ends the run instead of its n-th call, which is to end it after the one before."""

    kill_at: int
    count: int = 0

    def call(self, function: Callable[..., Any], *values: Any) -> Any:
        self.count += 1
        if self.count == self.kill_at:
            raise KilledError
        return function(*values)


class KilledArchive(CallbackArchive):
    """Every call that changes something may be the last."""

    def __init__(self, url: str, killer: Killer) -> None:
        self._archive, self._killer = PostgresCallbackArchive(url, KEPT_DAYS), killer
        self.retention = KEPT_DAYS

    def exclusively(self) -> AbstractContextManager[None]:
        return self._archive.exclusively()

    def __getattribute__(self, name: str) -> Any:
        if name in {"record", "delete", "finish", "export"}:
            function = getattr(self._archive, name)
            return lambda *values: self._killer.call(function, *values)
        if name in {"next_day", "to_delete"}:
            return getattr(self._archive, name)
        return object.__getattribute__(self, name)


class KilledLake(FakeLake):
    """A lake whose writing may be the last thing that is done."""

    killer: Killer

    def write_file(self, table: str, business_date: date, name: str, parquet: Path) -> str:
        return str(self.killer.call(super().write_file, table, business_date, name, parquet))


def killed_run(url: str, lake: FakeLake, killer: Killer) -> bool:
    killed = KilledLake(lake.frames)
    killed.killer = killer
    try:
        list(CallbackArchiving(KilledArchive(url, killer), killed).archive_until(NOW))
    except KilledError:
        return True
    return False


def test_run_killed_anywhere_is_continued_whole_and_once(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cardops.services.callbacks.archiving.DELETED_AT_ONCE", 1)
    kills = 0
    while True:
        lake, killer = FakeLake(), Killer(kills + 1)
        ids = [add_callback(database_url, f"old-{days}", days=days) for days in (40, 40, 41)]
        if not killed_run(database_url, lake, killer):
            break
        kills += 1
        archive_now(database_url, lake)

        assert archived(lake) == sorted(ids), killer
        assert archived(lake, "callback_attempts") == sorted(ids), killer
        assert (stored(database_url), attempt_count(database_url)) == ([], 0), killer
        with connect(database_url) as session:
            session.execute("delete from callback_archives")

    # Two days of each table: export, write, record, a deletion or two, finish.
    assert kills == 2 * (5 + 6)


def test_day_of_an_id_that_is_none_of_ours_is_unknown() -> None:
    assert day_of("cb_none") is None
    assert day_of("cb_ffffffffffffffff") is None
    assert day_of("cb_0006440a1b2c3d4e00009f8e7d6c5b4a") == date(2025, 11, 20)


def test_days_of_retention_are_whole_days_before_the_one_that_is_closed() -> None:
    one_day = Retention(callback_days=1, attempt_days=2)

    assert one_day.ends_at(ArchivedTable.CALLBACKS, NOW) == TODAY
    assert one_day.ends_at(ArchivedTable.ATTEMPTS, NOW) == TODAY - timedelta(days=1)
