"""A kept session is as a new one would be to the next that uses its connection."""

import multiprocessing
import warnings

import psycopg
import pytest

from cardops.adapters.postgresql.connection import connect, with_options
from cardops.adapters.postgresql.kept_sessions import (
    KEPT_SECONDS,
    MAX_KEPT,
    KeptSession,
    KeptSessions,
    keep_sessions,
    stop_keeping_sessions,
)

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


def test_other_options_of_the_url_need_another_session(database_url: str) -> None:
    with connect(database_url) as first:
        pid = pid_of(first)
    with connect(with_options(database_url, "-cenable_seqscan=off")) as second:
        assert pid_of(second) != pid
        assert second.execute("show enable_seqscan").fetchone() == ("off",)


def test_session_in_the_middle_of_a_result_is_not_taken_over(database_url: str) -> None:
    first = connect(database_url)
    pid = pid_of(first)
    with first.cursor().copy("copy (select generate_series(1, 1000000)) to stdout") as rows:
        next(iter(rows))
        first.close()
        assert first.closed
    with connect(database_url) as second:
        assert pid_of(second) != pid


def test_forked_process_opens_sessions_of_its_own(database_url: str) -> None:
    with connect(database_url) as first:
        pid = pid_of(first)
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads
        child = context.Process(target=lambda: answers.put(pid_after_use(database_url)))
        child.start()
    assert answers.get() != pid
    child.join()
    with connect(database_url) as second:
        assert pid_of(second) == pid


def pid_after_use(url: str) -> int:
    with connect(url) as session:
        return pid_of(session)


def test_old_session_and_more_than_the_limit_are_ended(database_url: str) -> None:
    now = [0.0]
    kept = KeptSessions(lambda: now[0])
    at_once = [KeptSession.open(kept, database_url) for _ in range(MAX_KEPT + 1)]
    pids = [pid_of(session) for session in at_once]
    for session in at_once:
        session.close()
        now[0] += 1

    again = [KeptSession.open(kept, database_url) for _ in range(MAX_KEPT + 1)]

    assert {pid_of(session) for session in again} - set(pids)
    assert len(set(pids) - {pid_of(session) for session in again}) == 1
    again[0].close()
    now[0] += KEPT_SECONDS + 1
    with KeptSession.open(kept, database_url) as new:
        assert pid_of(new) not in pids
    for session in again:
        session.close()
    kept.end()


def test_process_that_keeps_none_ends_its_sessions(database_url: str) -> None:
    stop_keeping_sessions()
    try:
        assert pid_after_use(database_url) != pid_after_use(database_url)
    finally:
        keep_sessions()


def test_session_that_the_server_ended_is_not_taken_over(database_url: str) -> None:
    with connect(database_url) as first, connect(database_url) as second:
        ended = pid_of(first)
        first.close()
        second.execute("select pg_terminate_backend(%s, 5000)", [ended])
    with connect(database_url) as third, connect(database_url) as fourth:
        assert ended not in {pid_of(third), pid_of(fourth)}
        assert fourth.execute("select 1").fetchone() == (1,)
