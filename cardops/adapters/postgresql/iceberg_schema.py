"""Where the catalog of Iceberg tables is: a schema of its own, whose tables pyiceberg makes.

A role for readers outside needs `usage` on this schema and `select` on its tables, and nothing of the
schema with the money.
"""

from typing import Final

from cardops.adapters.postgresql.connection import connect, with_search_path

ICEBERG_SCHEMA: Final = "iceberg"


def iceberg_database_url(url: str) -> str:
    """The URL with the catalog's schema as its search_path; the schema is made if it is missing."""
    with connect(url) as session:
        session.execute(f"create schema if not exists {ICEBERG_SCHEMA}")
    return with_search_path(url, ICEBERG_SCHEMA)
