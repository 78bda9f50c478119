"""The figures of the daily report, read from the marts with DuckDB, and the folder of its pages."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import override

from cardops.adapters.warehouse.duckdb_warehouse import DuckDbWarehouse
from cardops.adapters.warehouse.report_queries import QUERIES
from cardops.ports import Reports
from cardops.rules.reports import NothingBuiltError

if TYPE_CHECKING:
    import duckdb
    import pandas as pd


class DuckDbReports(Reports):
    """Reads the marts that dbt built; pages are HTML files under `folder`."""

    def __init__(self, warehouse: DuckDbWarehouse, folder: Path) -> None:
        self._warehouse = warehouse
        self._folder = folder

    @override
    def figures(self, business_date: date) -> dict[str, "pd.DataFrame"]:
        import pandas as pd  # noqa: PLC0415 - half a second, and only a report needs it
        import pyarrow as pa  # noqa: PLC0415 - the same

        with self._warehouse.reading() as session:
            frames = {
                name: _frame(session, query, business_date) for name, query in QUERIES.items()
            }
            failed = pa.table({"test": pa.array(self._warehouse.failed_tests(), pa.string())})
        return {**frames, "failed_tests": failed.to_pandas(types_mapper=pd.ArrowDtype)}

    @override
    def is_built(self, business_date: date) -> bool:
        query = "select exists (select from fct_daily_balances where business_date = ?)"
        try:
            with self._warehouse.reading() as session:
                row = session.execute(query, [business_date]).fetchone()
        except NothingBuiltError:
            return False
        return bool(row and row[0])

    @override
    def write_page(self, business_date: date, page: str) -> Path:
        path = self._folder / f"daily_report_{business_date}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        unfinished.write_text(page, encoding="utf-8")
        unfinished.replace(path)
        return path


def _frame(session: "duckdb.DuckDBPyConnection", query: str, business_date: date) -> "pd.DataFrame":
    """The result with Arrow's types: integers and decimals stay exact, also beside nulls."""
    import pandas as pd  # noqa: PLC0415 - half a second, and only a report needs it

    values = {"day": business_date} if "$day" in query else None
    table = session.sql(query, params=values).to_arrow_table()
    return table.to_pandas(types_mapper=pd.ArrowDtype)
