"""The figures of the daily report, read from the marts with DuckDB, and the folder of its pages.

A mart that no build could make yet is read as one without rows, and `failed_parts` has it as missing.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from cardops.adapters.file_locks import exclusive_lock
from cardops.adapters.warehouse.dbt import build_report_marts
from cardops.adapters.warehouse.dbt_descriptions import contract_columns
from cardops.adapters.warehouse.duckdb_warehouse import DuckDbWarehouse
from cardops.adapters.warehouse.monitoring_queries import MONITORING_QUERIES
from cardops.adapters.warehouse.report_queries import QUERIES
from cardops.ports import Lake, Reports
from cardops.rules.reports import Edition, NothingBuiltError

if TYPE_CHECKING:
    import duckdb
    import pandas as pd


_ALL_QUERIES: Final = {**QUERIES, **MONITORING_QUERIES}
# Beside the pages: what could not be made for a date, and why.
_FAILURES: Final = "failed_parts_{}.json"
# In the head of a page: which edition it is, when it was made, and the hash of what it says.
_EDITION: Final = re.compile(r'<meta name="cardops-edition" content="(\d+) (\S+) (\w*)">')
_HEAD_CHARACTERS: Final = 4000
_KNOWS_LATER_DATES: Final = (
    "select exists (select 1 from builds.lake_dates where business_date > $day)"
)


class DuckDbReports(Reports):
    """Reads the marts that dbt built; pages are HTML files under `folder`.

    Where the marts know rows of later dates than the report's, it reads those of a lake that ends at
    its date, built for it (docs/marts.md, "As of a date").
    """

    def __init__(
        self,
        warehouse: DuckDbWarehouse,
        folder: Path,
        lake: Lake,
        build: Callable[[Mapping[str, str]], None] = build_report_marts,
        pages_url: str | None = None,
    ) -> None:
        """`pages_url`: where a browser finds the pages; unset, the files."""
        self._warehouse = warehouse
        self._folder = folder
        self._pages_url = pages_url
        self._lake = lake
        self._build = build

    @override
    def figures(self, business_date: date) -> dict[str, "pd.DataFrame"]:
        import pandas as pd  # noqa: PLC0415 - half a second, and only a report needs it
        import pyarrow as pa  # noqa: PLC0415 - the same

        with self._marts_of(business_date) as session:
            missing = _stand_in(session, self._warehouse.target_path / "manifest.json")
            frames = {
                name: _frame(session, query, business_date) for name, query in _ALL_QUERIES.items()
            }
            failures = self._warehouse.failures()
        failed = pa.table({"test": pa.array(sorted(failures.tests), pa.string())})
        parts = [
            *_failed_models({**dict.fromkeys(failures.skipped, ""), **failures.models}, missing),
            *_failed_otherwise(self._failed_parts(business_date)),
        ]
        return {
            **frames,
            "failed_tests": failed.to_pandas(types_mapper=pd.ArrowDtype),
            "failed_parts": pa.Table.from_pylist(parts, _failed_schema()).to_pandas(
                types_mapper=pd.ArrowDtype
            ),
        }

    @override
    def record_failure(self, business_date: date, part: str, reason: str) -> None:
        self._write_failures(business_date, {**self._failed_parts(business_date), part: reason})

    @override
    def clear_failure(self, business_date: date, part: str) -> None:
        failed = self._failed_parts(business_date)
        if failed.pop(part, None) is not None:
            self._write_failures(business_date, failed)

    def _failed_parts(self, business_date: date) -> dict[str, str]:
        path = self._folder / _FAILURES.format(business_date)
        found: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        return found

    def _write_failures(self, business_date: date, failed: Mapping[str, str]) -> None:
        path = self._folder / _FAILURES.format(business_date)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        unfinished.write_text(json.dumps(failed), encoding="utf-8")
        unfinished.replace(path)

    @contextmanager
    def _marts_of(self, day: date) -> Iterator["duckdb.DuckDBPyConnection"]:
        """The marts as of the date: nothing that arrived later is in them."""
        with self._warehouse.reading() as session:
            ((knows_later,),) = session.execute(_KNOWS_LATER_DATES, {"day": day}).fetchall()
            if not knows_later:
                yield session
                return
        with self._warehouse.rebuilt_until(day, self._lake, self._build) as session:
            yield session

    @override
    def is_built(self, business_date: date) -> bool:
        query = "select exists (select 1 from fct_daily_balances where business_date = ?)"
        try:
            with self._warehouse.reading() as session:
                row = session.execute(query, [business_date]).fetchone()
        except NothingBuiltError:
            return False
        return bool(row and row[0])

    @override
    def newest_edition(self, business_date: date) -> Edition | None:
        path = self.page_path(business_date)
        if not path.exists():
            return None
        with path.open(encoding="utf-8") as page:
            found = _EDITION.search(page.read(_HEAD_CHARACTERS))
        if found is None:  # made before pages said which edition they are
            made_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            return Edition(number=1, made_at=made_at, content_sha256="")
        number, stamp, digest = found.groups()
        return Edition(int(number), datetime.fromisoformat(stamp), digest)

    @override
    def page_url(self, business_date: date) -> str:
        if self._pages_url is None:
            return self.page_path(business_date).absolute().as_uri()
        return f"{self._pages_url}/reports/{business_date}"

    @override
    def page_path(self, business_date: date, edition: Edition | None = None) -> Path:
        kept = f"_edition_{edition.number}" if edition else ""
        return self._folder / f"daily_report_{business_date}{kept}.html"

    @override
    def write_page(self, business_date: date, page: str) -> Path:
        path = self.page_path(business_date)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        unfinished.write_text(page, encoding="utf-8")
        with exclusive_lock(self._folder / "editions.lock"):
            if former := self.newest_edition(business_date):
                # A link first: the former edition is never without a name.
                self.page_path(business_date, former).unlink(missing_ok=True)
                self.page_path(business_date, former).hardlink_to(path)
            unfinished.replace(path)
        return path


def _frame(session: "duckdb.DuckDBPyConnection", query: str, business_date: date) -> "pd.DataFrame":
    """The result with Arrow's types: integers and decimals stay exact, also beside nulls."""
    import pandas as pd  # noqa: PLC0415 - half a second, and only a report needs it

    values = {"day": business_date} if "$day" in query else None
    table = session.sql(query, params=values).to_arrow_table()
    return table.to_pandas(types_mapper=pd.ArrowDtype)


def _failed_schema() -> Any:
    """`frames` names what shows the part's figures; of `is_missing` parts there are none at all."""
    import pyarrow as pa  # noqa: PLC0415 - as above

    text, flag = pa.string(), pa.bool_()
    return pa.schema({"part": text, "reason": text, "frames": text, "is_missing": flag})


def _failed_models(reasons: Mapping[str, str], missing: set[str]) -> Iterator[dict[str, object]]:
    """The models that the newest build did not make; one that was only skipped has no reason."""
    for name, reason in sorted(reasons.items()):
        frames = [
            frame for frame, query in _ALL_QUERIES.items() if re.search(rf"\b{name}\b", query)
        ]
        yield {
            "part": name,
            "reason": reason,
            # Without a node of dbt's that failed, none of them was built.
            "frames": " ".join(_ALL_QUERIES if name == "dbt" else frames),
            "is_missing": name in missing,
        }


def _failed_otherwise(reasons: Mapping[str, str]) -> Iterator[dict[str, object]]:
    for part, reason in sorted(reasons.items()):
        yield {"part": part, "reason": reason, "frames": part, "is_missing": False}


def _stand_in(session: "duckdb.DuckDBPyConnection", manifest: Path) -> set[str]:
    """Give the session a table without rows for each mart that was never built; their names."""
    rows = session.execute(
        "select table_name from information_schema.tables where table_schema = 'marts'"
    ).fetchall()
    columns = contract_columns(manifest)
    missing = columns.keys() - {name for (name,) in rows}
    for name in missing:
        listed = ", ".join(f'"{column}" {kind}' for column, kind in columns[name].items())
        session.execute(f'create temp table "{name}" ({listed})')
    return missing
