"""The part of the daily close that makes marts, publication and report, with a real dbt, on fakes."""

import json
import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from assets.daily_report import daily_report
from assets.fraud_rings import fraud_rings
from assets.marts import marts_assets
from assets.monitoring_alarms import monitoring_alarms
from assets.partitions import business_dates, one_date_a_run
from assets.reconciliation import verdict
from assets.source_tests import source_tests
from cardops.adapters.warehouse import duckdb_warehouse
from cardops.adapters.warehouse.dbt import PROJECT_DIR, ensure_manifest
from cardops.adapters.warehouse.duckdb_warehouse import DuckDbWarehouse
from cardops.adapters.warehouse.monitoring import DuckDbMonitoringProgrammes
from cardops.adapters.warehouse.reports import DuckDbReports
from cardops.adapters.warehouse.ring_snapshots import LakeRingSnapshots
from cardops.ports import RingSources
from resources.dagster_dbt_names import DbtCliResource
from resources.dbt import InstalledDbt, dbt_resource
from tests.factories.lake_tables import DAY, NOON
from tests.fakes.acknowledgements import FakeAcknowledgements
from tests.fakes.breakers import FakeBreakers
from tests.fakes.clock import FakeClock
from tests.fakes.delivery_ledger import FakeDeliveryLedger
from tests.fakes.disputes import FakeDisputeAlarms
from tests.fakes.expected_files import FakeExpectedFiles
from tests.fakes.incidents import FakeIncidents
from tests.fakes.intake_ledger import FakeIntakeLedger
from tests.fakes.lake import FakeLake
from tests.fakes.monitoring import FakeMonitoringAlarms
from tests.fakes.notifier import FakeNotifier
from tests.fakes.source_controls import FakeSourceControls
from tests.fakes.waiting_list import FakeWaitingList


@dg.asset(partitions_def=business_dates, backfill_policy=one_date_a_run)
def reconciliation() -> None:
    """Stands for the comparison of the books: its breaks are in the lake, where the verdict reads them."""


def close_marts(
    lake: FakeLake,
    home: Path,
    *,
    project: Path | None = None,
    ring_sources: RingSources | None = None,
) -> dg.ExecuteInProcessResult:
    """A run of that part, with every test; with `project` of another dbt project, which has none.

    With `ring_sources` it makes fraud rings, too.
    """
    warehouse = DuckDbWarehouse(home)
    manifest = ensure_manifest(project) if project else ensure_manifest()
    more = [fraud_rings] if ring_sources else []
    tests = [] if project else [source_tests(manifest)]
    with pytest.MonkeyPatch.context() as patch:
        # What was parsed of that project, not of the repository's, is what its builds begin with.
        patch.setattr(duckdb_warehouse, "PROJECT_DIR", project or PROJECT_DIR)
        return dg.materialize(
            [
                *marts_assets(manifest),
                *more,
                *tests,
                daily_report,
                reconciliation,
                verdict,
                monitoring_alarms,
            ],
            partition_key=str(DAY),
            resources={
                "lake": lake,
                "warehouse": warehouse,
                "reports": DuckDbReports(warehouse, home / "reports", lake),
                "dbt": _dbt_of(project) if project else dbt_resource(),
                "delivery_ledger": FakeDeliveryLedger(),
                "acknowledgement_ledger": FakeAcknowledgements(),
                "intake_ledger": FakeIntakeLedger(),
                "source_controls": FakeSourceControls(),
                "expected_files": FakeExpectedFiles(),
                "waiting_list": FakeWaitingList(),
                "ring_snapshots": LakeRingSnapshots(lake),
                "ring_sources": ring_sources or object(),
                "monitoring_programmes": DuckDbMonitoringProgrammes(warehouse),
                "dispute_alarms": FakeDisputeAlarms(),
                "breakers": FakeBreakers(),
                "incidents": FakeIncidents(),
                "raised_monitoring_alarms": FakeMonitoringAlarms(),
                "notifier": FakeNotifier(),
                "clock": FakeClock(NOON),
            },
            raise_on_error=False,
        )


def project_of_the_report(folder: Path) -> Path:
    """A copy of the dbt project whose builds take half the time: what the report reads, untested."""
    project = folder / PROJECT_DIR.name
    left_out = shutil.ignore_patterns("target", "logs", "tests", "metrics", "_exposures.yml")
    shutil.copytree(PROJECT_DIR, project, ignore=left_out)
    (project / "tests").mkdir()
    read = _read_by_the_report()
    not_read = {path.stem for path in (project / "models").rglob("*.sql")} - read
    for path in list((project / "models").rglob("*.*")):
        if path.stem in not_read:
            path.unlink()
        elif path.suffix == ".yml":
            described = yaml.load(path.read_text(), yaml.CSafeLoader)
            text = yaml.dump(_without_tests(described), Dumper=yaml.CSafeDumper, sort_keys=False)
            path.write_text(text)
    # The seeds are beside the project, among the rules.
    (folder / "cardops").symlink_to(PROJECT_DIR.parent / "cardops")
    return project


def marts_of(project: Path) -> set[str]:
    return {path.stem for path in (project / "models" / "marts").rglob("*.sql")}


def _read_by_the_report() -> set[str]:
    """Names of the models that the report is made of."""
    parents = json.loads(ensure_manifest().read_text())["parent_map"]
    found, asked = set[str](), {"exposure.cardops.daily_report"}
    while asked:
        found |= asked
        asked = {parent for node in asked for parent in parents.get(node, [])} - found
    return {node.split(".")[2] for node in found if node.startswith("model.")}


def plant_fault(project: Path, model: str) -> None:
    """From now on the model cannot be built."""
    (path,) = (project / "models").rglob(f"{model}.sql")
    path.write_text(f"{path.read_text()}\nwhere no_such_column = 1\n")


def _without_tests(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            name: _without_tests(value)
            for name, value in node.items()
            if name not in {"data_tests", "unit_tests"}
        }
    return [_without_tests(value) for value in node] if isinstance(node, list) else node


def _dbt_of(project: Path) -> DbtCliResource:
    installed = dbt_resource()
    return InstalledDbt(
        project_dir=str(project),
        profiles_dir=str(project),
        dbt_executable=installed.dbt_executable,
        global_config_flags=installed.global_config_flags,
    )
