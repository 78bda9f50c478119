"""Sessions of `dagster_duckdb` and of duckdb itself do the same."""

from pathlib import Path

import duckdb
import pytest

from cardops.adapters.warehouse.sessions import DuckDbSessions, PlainDuckDbSessions
from resources.duckdb_sessions import DagsterDuckDbSessions

pytestmark = pytest.mark.dagster


@pytest.fixture(params=[PlainDuckDbSessions, DagsterDuckDbSessions])
def sessions(request: pytest.FixtureRequest) -> DuckDbSessions:
    made: DuckDbSessions = request.param()
    return made


def test_session_in_memory_answers_queries(sessions: DuckDbSessions) -> None:
    with sessions.in_memory() as session:
        assert session.execute("select 40 + 2").fetchone() == (42,)


def test_read_only_session_reads_and_cannot_write(sessions: DuckDbSessions, tmp_path: Path) -> None:
    file = tmp_path / "marts.duckdb"
    with duckdb.connect(str(file)) as writer:
        writer.execute("create table days as select 5 as minor")

    with sessions.read_only(file) as session:
        assert session.execute("from days").fetchall() == [(5,)]
        with pytest.raises(duckdb.Error, match="read-only"):
            session.execute("insert into days values (6)")
