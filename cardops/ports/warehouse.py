"""The warehouse that dbt builds, and the marts published from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    import duckdb

    from cardops.ports.files import Lake


class Warehouse(Protocol):
    """The DuckDB file that dbt builds from the lake, and what is published of it."""

    @property
    def target_path(self) -> Path:
        """Where dbt leaves what it compiled and its results."""

    @property
    def reports(self) -> Path:
        """The folder of the daily reports."""

    def building(self, lake: Lake) -> AbstractContextManager[Mapping[str, str]]:
        """Alone until the block ends; the environment that tells dbt what to build."""

    def reading(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """The built marts, read-only, while nobody builds. Raises NothingBuiltError."""

    def publish(self) -> Publication:
        """Every mart as Parquet, and the file of views swapped to it in one step."""


class Publication(Protocol):
    """What one publication made available to analysts."""

    @property
    def path(self) -> Path:
        """The file of views."""

    @property
    def row_counts(self) -> Mapping[str, int]:
        """The rows of each mart."""
