"""Operations of one thread share a session where they are told to."""

from collections.abc import Iterator
from threading import Thread

import psycopg
import pytest

from cardops.adapters.postgresql.kept_sessions import keep_sessions, stop_keeping_sessions
from cardops.adapters.postgresql.transactions import one_session, run_in_transaction

pytestmark = pytest.mark.database


@pytest.fixture(autouse=True)
def sessions_end() -> Iterator[None]:
    """As in a process that keeps none: what is opened next is another session."""
    stop_keeping_sessions()
    yield
    keep_sessions()


def backend(session: psycopg.Connection) -> int:
    return session.info.backend_pid


def test_operations_in_the_block_use_one_session(database_url: str) -> None:
    with one_session(database_url):
        first, second = (run_in_transaction(database_url, backend) for _ in range(2))

    assert first == second
    assert run_in_transaction(database_url, backend) != first


def test_operation_inside_another_has_a_session_of_its_own(database_url: str) -> None:
    with one_session(database_url):
        outer, inner = run_in_transaction(
            database_url,
            lambda session: (backend(session), run_in_transaction(database_url, backend)),
        )

    assert outer != inner


def test_other_threads_do_not_share_the_session(database_url: str) -> None:
    found: list[int] = []
    with one_session(database_url):
        own = run_in_transaction(database_url, backend)
        thread = Thread(target=lambda: found.append(run_in_transaction(database_url, backend)))
        thread.start()
        thread.join()

    assert found != [own]


def test_lost_session_is_opened_again(database_url: str) -> None:
    with one_session(database_url):
        lost = run_in_transaction(database_url, backend)
        with psycopg.connect(database_url, autocommit=True) as other:
            other.execute("select pg_terminate_backend(%s)", [lost])

        assert run_in_transaction(database_url, backend) != lost
