"""dbt's tests of the lake's tables as checks of the assets that write them.

The tests run inside the build, which yields what they found. It does not declare the checks: if it did,
Dagster would split the daily close into two builds, and a run that materializes `deposits` would build.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import dagster as dg

from assets.dbt_tests import sentence_of, tests_a_source
from cardops.ports import Warehouse
from cardops.rules.reports import SourceTest

RUNBOOK: Final = "docs/runbooks/source-tests.md"
_TEST: Final = "dbt_test"


def source_tests(manifest: Path) -> dg.AssetChecksDefinition:
    """One check for each test of a table of the lake in that manifest.

    Executed by itself, as the UI does with an asset's checks, it tells what the newest build found.
    """
    specs = _specs(json.loads(manifest.read_text()))

    @dg.multi_asset_check(name="source_tests", specs=specs, can_subset=True)
    def source_tests(
        context: dg.AssetCheckExecutionContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> Iterator[dg.AssetCheckResult]:
        """What the newest build of the marts found; nothing where it did not test a table."""
        for told in _told(specs, warehouse.source_tests()):
            result = dg.AssetCheckResult(**told)
            if dg.AssetCheckKey(told["asset_key"], told["check_name"]) in (
                context.selected_asset_check_keys
            ):
                yield result

    return source_tests


def source_evaluations(
    manifest: Mapping[str, Any], found: Sequence[SourceTest]
) -> Iterator[dg.AssetCheckEvaluation]:
    """What a build found, as evaluations of the checks that `source_tests` declares."""
    for told in _told(_specs(manifest), found):
        yield dg.AssetCheckEvaluation(**told)


def _specs(manifest: Mapping[str, Any]) -> list[dg.AssetCheckSpec]:
    tests = [node for node in manifest["nodes"].values() if tests_a_source(node)]
    return [_spec(test, manifest["sources"][test["depends_on"]["nodes"][0]]) for test in tests]


def _spec(test: Mapping[str, Any], source: Mapping[str, Any]) -> dg.AssetCheckSpec:
    kind, column, table = test["test_metadata"]["name"], test["column_name"], source["name"]
    return dg.AssetCheckSpec(
        name=f"{table}_{column}_is_{kind}" if column else f"{table}_{kind}",
        asset=dg.AssetKey(source["config"]["meta"]["dagster"]["asset_key"]),
        description=f"In the lake's table {table}, by the newest build of the marts: {sentence_of(test)}",
        metadata={_TEST: test["unique_id"]},
    )


def _told(
    specs: Sequence[dg.AssetCheckSpec], found: Sequence[SourceTest]
) -> Iterator[dict[str, Any]]:
    """The arguments of the result of each check whose test ran."""
    by_name = {result.name: result for result in found}
    for spec in specs:
        result = by_name.get(str(spec.metadata[_TEST]))
        if result is not None:
            yield _told_of(spec, result)


def _told_of(spec: dg.AssetCheckSpec, found: SourceTest) -> dict[str, Any]:
    details = {
        "failed_rows": found.failed_rows,
        "message": found.message,
        "runbook": None if found.passed else RUNBOOK,
    }
    severity = dg.AssetCheckSeverity.WARN if found.is_warning else dg.AssetCheckSeverity.ERROR
    return {
        "asset_key": spec.asset_key,
        "check_name": spec.name,
        "passed": found.passed,
        "severity": severity,
        "description": spec.description if found.passed else f"Not so: {spec.description}",
        "metadata": {name: value for name, value in details.items() if value is not None},
    }
