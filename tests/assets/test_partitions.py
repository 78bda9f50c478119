"""A business date that the home does not have is made by no run, however it was started."""

import ast
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

import assets
from assets.partitions import business_date_of, business_dates

pytestmark = pytest.mark.dagster

FOLDER = Path(assets.__file__).parent
MADE: list[str] = []


@dg.asset(partitions_def=business_dates)
def dated(context: dg.AssetExecutionContext) -> None:
    """Notes its date."""
    MADE.append(str(business_date_of(context)))


def made(partition: str) -> tuple[list[str], str]:
    """What a run of that partition makes, as by a tag that Dagster does not check; and its error."""
    MADE.clear()
    result = dg.materialize([dated], tags={"dagster/partition": partition}, raise_on_error=False)
    failures = [event.step_failure_data.error for event in result.get_step_failure_events()]
    errors = [error.cause.message for error in failures if error and error.cause]
    return list(MADE), " ".join(errors)


def test_run_of_a_date_that_is_not_there_makes_nothing() -> None:
    today = datetime.now(UTC).date()

    assert made(str(today)) == ([str(today)], "")
    for key in (str(today + timedelta(days=2)), "1999-01-01"):
        done, error = made(key)
        assert done == []
        assert f"{key} is not a business date of this home, so nothing was done" in error


def unguarded(module: ast.Module) -> Iterator[str]:
    """Functions of assets, not of checks, that read a date without asking whether it is there."""
    for function in ast.walk(module):
        if not isinstance(function, ast.FunctionDef):
            continue
        decorators = " ".join(map(ast.unparse, function.decorator_list))
        is_asset = "asset" in decorators and "check(" not in decorators
        if is_asset and "fromisoformat(context.partition_key)" in ast.unparse(function):
            yield function.name


def test_every_asset_asks_whether_its_date_is_there() -> None:
    found = {
        path.name: names
        for path in FOLDER.glob("*.py")
        if (names := list(unguarded(ast.parse(path.read_text()))))
    }

    assert found == {}
