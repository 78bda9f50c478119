"""The warehouse that dbt builds, and the marts published from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import date
    from pathlib import Path

    import pandas as pd

    from cardops.ports.files import Lake
    from cardops.rules.reports import BuildFailures, BuiltTable, ColumnLineage, Edition, SourceTest


class Warehouse(Protocol):
    """The DuckDB file that dbt builds from the lake, and what is published of it."""

    @property
    def target_path(self) -> Path:
        """Where dbt keeps what it compiled, so that the next build parses only what changed."""

    def building(self, lake: Lake) -> AbstractContextManager[Mapping[str, str]]:
        """Exclusive until the block ends; the environment that tells dbt what to build."""

    def record_failures(self, failures: BuildFailures) -> None:
        """Inside `building`: these tests and models failed, so the build is not to be published."""

    def built_tables(self) -> Mapping[str, BuiltTable]:
        """Inside `building`, once dbt is done: every table and view that there is, by name."""

    def column_lineage(self, tables: Mapping[str, BuiltTable]) -> ColumnLineage:
        """Inside `building`, once dbt is done: from which columns those of each compiled model are made."""

    def record_source_tests(self, results: Sequence[SourceTest]) -> None:
        """Inside `building`: what the build found where it tested the lake's tables."""

    def source_tests(self) -> Sequence[SourceTest]:
        """What the newest build found where it tested the lake's tables."""

    def publish(self) -> Publication:
        """Every mart as Parquet, and the file of views swapped to it in one step.

        Raises BuildFailedError where a test or a model of the newest build failed.
        """


class Publication(Protocol):
    """What one publication made available to analysts."""

    @property
    def path(self) -> Path:
        """The file of views."""

    @property
    def row_counts(self) -> Mapping[str, int]:
        """The rows of each mart."""


class Reports(Protocol):
    """The figures of daily reports, read from the marts, and the pages that were written."""

    def figures(self, business_date: date) -> Mapping[str, pd.DataFrame]:
        """One small frame for each part of the report; amounts are integers in minor units.

        They are as of the date: rows of later business dates are in none of them.
        Its keys are the fields of cardops.services.reports.figures.ReportFigures, but for those that
        ledgers fill, and `batches`: the batches that were claimed on the date. Raises
        NothingBuiltError where no marts were built.
        """

    def record_failure(self, business_date: date, part: str, reason: str) -> None:
        """A part that dbt does not build could not be made for the date; `figures` say so until cleared."""

    def clear_failure(self, business_date: date, part: str) -> None:
        """The part was made for the date after all."""

    def is_built(self, business_date: date) -> bool:
        """Whether the marts hold the date's closing balances."""

    def write_page(self, business_date: date, page: str) -> Path:
        """Make this the date's page, whole, and return where it is; the former edition is kept."""

    def newest_edition(self, business_date: date) -> Edition | None:
        """Which edition the date's page is; None where there is no page."""

    def page_url(self, business_date: date) -> str:
        """Where a browser finds the date's page."""

    def page_path(self, business_date: date, edition: Edition | None = None) -> Path:
        """Where the date's page is, or where an edition is kept that is not the newest any more."""


class IcebergCatalog(Protocol):
    """The lake and the published marts as tables of Apache Iceberg."""

    def register(self) -> Mapping[str, tuple[int, int]]:
        """Bring every table to the files that it has now; how many were added, and dropped, by name.

        Again, without new files, it changes nothing. Snapshots before the last three are forgotten.
        """
