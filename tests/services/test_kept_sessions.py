"""A session that a later connection of a test takes over is as a new one would be."""

import psycopg
import pytest

from cardops.adapters.postgresql.connection import connect

pytestmark = pytest.mark.database

LOCKS = "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"


def pid_of(session: psycopg.Connection) -> int:
    return session.info.backend_pid


def test_closed_session_is_taken_over_and_remembers_nothing(database_url: str) -> None:
    with connect(database_url, autocommit=False) as first:
        first.execute("select pg_advisory_lock(1)")
        first.execute("set statement_timeout = '1s'")
        first.execute("create temporary table mine (name text)")
        first.execute("insert into programs (program, currency) values ('lost', 'USD')")
        pid = pid_of(first)
        first.rollback()
        first.execute("select pg_advisory_lock(2)")
        first.execute("set statement_timeout = '1s'")
    with connect(database_url) as second:
        assert pid_of(second) == pid
        assert second.autocommit
        assert second.execute(LOCKS).fetchone() == (0,)
        assert second.execute("show statement_timeout").fetchone() == ("0",)
        assert second.execute("show search_path").fetchone() == ("cardops",)
        assert second.execute("select to_regclass('mine')").fetchone() == (None,)
        assert second.execute("select from programs where program = 'lost'").fetchone() is None
    assert second.closed
    with pytest.raises(psycopg.OperationalError):
        second.execute("select 1")


def test_open_transaction_of_a_closed_session_is_undone(database_url: str) -> None:
    first = connect(database_url, autocommit=False)
    first.execute("insert into programs (program, currency) values ('lost', 'USD')")
    first.close()
    with connect(database_url) as second:
        assert second.execute("select from programs where program = 'lost'").fetchone() is None


def test_sessions_that_are_open_at_once_stay_apart(database_url: str) -> None:
    connect(database_url).close()
    with connect(database_url) as first, connect(database_url) as second:
        assert pid_of(first) != pid_of(second)


def test_session_that_the_server_ended_is_not_taken_over(database_url: str) -> None:
    with connect(database_url) as first, connect(database_url) as second:
        ended = pid_of(first)
        first.close()
        second.execute("select pg_terminate_backend(%s, 5000)", [ended])
    with connect(database_url) as third, connect(database_url) as fourth:
        assert ended not in {pid_of(third), pid_of(fourth)}
        assert fourth.execute("select 1").fetchone() == (1,)
