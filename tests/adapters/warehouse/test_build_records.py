"""What a build is told before dbt starts."""

from pathlib import Path

from cardops.adapters.warehouse.build_records import start_build
from cardops.adapters.warehouse.dbt import PROJECT_DIR


def test_models_of_a_large_lake_are_built_one_at_a_time(tmp_path: Path) -> None:
    file = tmp_path / "lake" / "business_date=2026-11-01" / "rows.parquet"
    file.parent.mkdir(parents=True)

    def threads(size: int) -> str:
        with file.open("wb") as written:
            written.truncate(size)
        variables = start_build(
            tmp_path / "build.duckdb", PROJECT_DIR, {"balances": tmp_path / "lake"}
        )
        return variables["CARDOPS_BUILD_THREADS"]

    assert threads(1024) == "2"
    assert threads(129 * 1024 * 1024) == "1"
    assert threads(1024) == "2"
