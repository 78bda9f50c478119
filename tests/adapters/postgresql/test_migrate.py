"""Migrations: applied once, in order, never when an applied file was changed."""

from dataclasses import replace
from threading import Thread

import pytest

from cardops.adapters.postgresql.connection import SCHEMA, connect, with_search_path
from cardops.adapters.postgresql.errors import MigrationBlockedError, MigrationChangedError
from cardops.adapters.postgresql.migrate import OUTSIDE, Migration, known_migrations, migrate
from tests.factories.databases import with_database
from tests.factories.waiting import wait_until

pytestmark = pytest.mark.database

NEXT = Migration(9000, "9000_next.sql", "create table later (id bigint);")


def test_fresh_database_gets_every_migration_once(
    empty_database_url: str,
) -> None:
    with connect(empty_database_url) as session:
        assert migrate(session) == len(known_migrations())
        assert migrate(session) == 0


def test_newer_database_keeps_working(empty_database_url: str) -> None:
    with connect(empty_database_url) as session:
        migrate(session, [*known_migrations(), NEXT])

        assert migrate(session) == 0


def test_changed_migration_is_refused(empty_database_url: str) -> None:
    with connect(empty_database_url) as session:
        migrate(session, [NEXT])

        with pytest.raises(MigrationChangedError, match=r"Migration 9000_next\.sql was changed"):
            migrate(session, [replace(NEXT, statements="create table other (id bigint);")])


def test_line_ends_do_not_count_as_a_change(empty_database_url: str) -> None:
    with connect(empty_database_url) as session:
        two_lines = replace(NEXT, statements="create table later\n(id bigint);\n")
        first = migrate(session, [two_lines])
        windows = replace(two_lines, statements="create table later\r\n(id bigint);\r\n")

        assert (first, migrate(session, [windows])) == (1, 0)


def test_failing_migration_is_rolled_back(empty_database_url: str) -> None:
    broken = replace(NEXT, statements="create table half (id bigint); select 1 / 0;")
    with connect(empty_database_url) as session:
        with pytest.raises(Exception, match="division by zero"):
            migrate(session, [broken])

        assert session.execute("select to_regclass('cardops.half')").fetchone() == (None,)
        assert migrate(session, [NEXT]) == 1


def test_concurrent_starts_apply_each_migration_once(
    empty_database_url: str,
) -> None:
    counts: list[int] = []

    def start() -> None:
        with connect(empty_database_url) as session:
            counts.append(migrate(session))

    threads = [Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(counts) == len(known_migrations())
    assert len(counts) == 4


def test_other_databases_of_the_server_are_not_migrated(
    server_url: str, empty_database_url: str
) -> None:
    with connect(with_search_path(with_database(server_url, "postgres"), SCHEMA)) as session:
        before = session.execute("select to_regclass('cardops.accounts')").fetchone()
    with connect(empty_database_url) as session:
        migrate(session)
    with connect(with_search_path(with_database(server_url, "postgres"), SCHEMA)) as session:
        assert session.execute("select to_regclass('cardops.accounts')").fetchone() == before


def test_migration_that_deadlocks_is_retried(empty_database_url: str) -> None:
    first = replace(NEXT, statements="create table a (id bigint); create table b (id bigint);")
    second = Migration(
        9001, "9001_wide.sql", "alter table a add column x text; alter table b add column x text;"
    )
    with connect(empty_database_url) as session, connect(empty_database_url) as other:
        migrate(session, [first])
        with other.transaction():
            other.execute("lock table cardops.b in row share mode")
            migrating = Thread(target=migrate, args=(session, [first, second]))
            migrating.start()
            wait_for_a_lock(empty_database_url)
            # The migration waited first, so after a second it is the one to detect the deadlock.
            other.execute("lock table cardops.a in row share mode")
        migrating.join(60)

        row = session.execute("select a.x, b.x from cardops.a, cardops.b").fetchone()
        assert row is None
        assert migrate(session, [first, second]) == 0


def test_indexes_are_built_while_a_process_waits_and_rows_are_written(
    empty_database_url: str,
) -> None:
    first = replace(NEXT, statements="create table later (id bigint);")
    concurrent = Migration(
        9001, "9001_index.sql",
        f"{OUTSIDE}\ncreate index concurrently if not exists later_by_id on later (id);\n"
        "alter table later set (fillfactor = 70);\n",
    )  # fmt: skip
    with connect(empty_database_url) as session, connect(empty_database_url) as other:
        migrate(session, [first])
        with other.transaction():
            # An index that is built concurrently waits for this transaction, but nobody for the index.
            other.execute("insert into cardops.later values (1)")
            migrations = [
                Thread(target=start_migration, args=(empty_database_url, [first, concurrent]))
                for _ in range(2)
            ]
            for migrating in migrations:
                migrating.start()
            wait_for_a_lock(empty_database_url, "virtualxid")
            other.execute("insert into cardops.later values (2)")
        for migrating in migrations:
            migrating.join(60)

        assert migrate(session, [first, concurrent]) == 0
        valid = "select indisvalid from pg_index where indexrelid = 'cardops.later_by_id'::regclass"
        assert session.execute(valid).fetchone() == (True,)


def test_index_that_a_killed_runner_left_unfinished_is_built_again(
    empty_database_url: str,
) -> None:
    twice = "create table later (id bigint); insert into later values (1), (1);"
    broken = Migration(
        9001, "9001_index.sql",
        f"{OUTSIDE}\ncreate unique index concurrently if not exists later_by_id on later (id);\n",
    )  # fmt: skip
    with connect(empty_database_url) as session:
        migrate(session, [replace(NEXT, statements=twice)])
        with pytest.raises(Exception, match="could not create unique index"):
            migrate(session, [replace(NEXT, statements=twice), broken])
        session.execute("delete from cardops.later")

        assert migrate(session, [replace(NEXT, statements=twice), broken]) == 1
        valid = "select indisvalid from pg_index where indexrelid = 'cardops.later_by_id'::regclass"
        assert session.execute(valid).fetchone() == (True,)


def test_change_that_a_long_query_holds_up_gives_way_and_is_tried_again(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cardops.adapters.postgresql.migrate.BLOCKED_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("cardops.adapters.postgresql.migrate.MAX_ATTEMPTS", 2)
    first = replace(NEXT, statements="create table later (id bigint);")
    change = "set local lock_timeout = '50ms'; alter table later add column x text;"
    second = Migration(9001, "9001_column.sql", change)
    with connect(empty_database_url) as session, connect(empty_database_url) as other:
        migrate(session, [first])
        with other.transaction():
            other.execute("select * from cardops.later")
            with pytest.raises(MigrationBlockedError, match="no moment in which to change a table"):
                migrate(session, [first, second])

        assert migrate(session, [first, second]) == 1


def start_migration(url: str, migrations: list[Migration]) -> None:
    with connect(url) as session:
        migrate(session, migrations)


def wait_for_a_lock(url: str, kind: str = "relation") -> None:
    waiting = "select 1 from pg_locks where not granted and locktype = %s"
    with connect(url) as session:
        wait_until(lambda: session.execute(waiting, [kind]).fetchone(), "a session that waits")


def test_files_recalled_before_become_recalled(empty_database_url: str) -> None:
    with connect(empty_database_url) as session:
        migrate(session, [m for m in known_migrations() if m.version < 12])
        session.execute("set search_path to cardops")
        session.execute(
            "insert into intake_files (kind, program, bucket, key, version, content_sha256,"
            " size_bytes, business_date, status) select 'deposits', 'default', 'b', n::text, 'v',"
            " n::text, 1, '2026-03-01', 'applied' from generate_series(1, 2) as n"
        )
        session.execute(
            "insert into deposit_events (program, deposit_id, user_id, currency, amount_minor,"
            " occurred_at, intake_id, row_number, content_hash, ledger_seq, posted_at)"
            " select 'default', n::text, 'u', 'USD', 1, now(), n, 1, '', n, now()"
            " from generate_series(1, 2) as n"
        )
        session.execute(
            "insert into deposit_recalls (program, deposit_id, user_id, currency, amount_minor,"
            " recalled_by, ledger_seq, posted_at) values ('default', '1', 'u', 'USD', 1, 'x', 3, now())"
        )
        migrate(session)

        found = session.execute("select status from intake_files order by intake_id").fetchall()
        assert found == [("recalled",), ("applied",)]
        standing = session.execute("select deposit_id from standing_deposits").fetchall()
        assert standing == [("2",)]
