"""A day on a database given by its URL, which also holds Dagster's tables."""

from pathlib import Path

import pytest

from cardops.adapters.postgresql.connection import connect
from tests.factories.demo_days import Ending, Instance, companies_of, ending

pytestmark = [pytest.mark.database, pytest.mark.dagster]


@pytest.mark.timeout(600)
def test_day_on_given_database_ends_as_on_embedded_one(
    day: Path, undisturbed: Ending, given_instance: Instance
) -> None:
    with companies_of(given_instance):
        assert given_instance.run(day) == 0
        ended = ending(given_instance)

    assert ended == undisturbed
    assert not (given_instance.home / "postgres").exists()
    with connect(given_instance.overrides["database_url"]) as session:
        schemas: dict[str, list[str]] = dict(
            session.execute(
                "select schemaname::text, array_agg(tablename::text) from pg_tables"
                " where schemaname !~ '^(pg_|information_schema)' group by 1"
            ).fetchall()
        )
    # Dagster's tables have a schema of their own, and `public` is empty.
    assert set(schemas) == {"cardops", "dagster"}
    assert {"runs", "event_logs", "alembic_version"} <= set(schemas["dagster"])
    assert "runs" not in schemas["cardops"]
