"""Facts about the store that an operator or the demo reads; nothing here changes it."""

from dataclasses import dataclass

from cardops.adapters.postgresql.connection import connect


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """Server version, applied migrations and callback endpoints that receive nothing."""

    server_version: str
    migration_count: int
    disabled_endpoint_count: int


def inspect_database(url: str) -> DatabaseFacts:
    """Raises DatabaseUnavailableError."""
    with connect(url) as session:
        row = session.execute(
            "select current_setting('server_version'),"
            " (select count(*) from schema_migrations),"
            " (select count(*) from callback_endpoints where disabled_at is not null)"
        ).fetchone()
    version, migrations, disabled = row or ("", 0, 0)
    return DatabaseFacts(str(version), int(migrations), int(disabled))


def first_response(url: str, program: str, status: str) -> str:
    """The body of the program's first decision with that status; empty where there is none."""
    with connect(url) as session:
        row = session.execute(
            "select answer from decisions where program = %s and status = %s"
            " order by decided_at, transaction_id limit 1",
            [program, status],
        ).fetchone()
    return bytes(row[0]).decode() if row else ""
