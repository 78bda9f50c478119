"""The part of the daily close that makes marts, publication and report, with a real dbt, on fakes."""

import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from assets.daily_report import daily_report
from assets.fraud_rings import fraud_rings
from assets.marts import marts_assets
from assets.monitoring_alarms import monitoring_alarms
from assets.reconciliation import reconciliation
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
from tests.fakes.intake_ledger import FakeIntakeLedger
from tests.fakes.lake import FakeLake
from tests.fakes.monitoring import FakeMonitoringAlarms
from tests.fakes.notifier import FakeNotifier
from tests.fakes.source_controls import FakeSourceControls
from tests.fakes.waiting_list import FakeWaitingList


def close_marts(
    lake: FakeLake,
    home: Path,
    *,
    project: Path | None = None,
    ring_sources: RingSources | None = None,
) -> dg.ExecuteInProcessResult:
    """A run of that part; with `project` of another dbt project, with `ring_sources` of rings too."""
    warehouse = DuckDbWarehouse(home)
    manifest = ensure_manifest(project) if project else ensure_manifest()
    rings = [fraud_rings] if ring_sources else []
    return dg.materialize(
        [*marts_assets(manifest), *rings, daily_report, reconciliation, monitoring_alarms],
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
            "raised_monitoring_alarms": FakeMonitoringAlarms(),
            "notifier": FakeNotifier(),
            "clock": FakeClock(NOON),
        },
        raise_on_error=False,
    )


def project_without_tests(folder: Path) -> Path:
    """A copy of the dbt project whose builds take half the time: without any of its tests."""
    project = folder / PROJECT_DIR.name
    left_out = shutil.ignore_patterns("target", "logs", "tests")
    shutil.copytree(PROJECT_DIR, project, ignore=left_out)
    (project / "tests").mkdir()
    for path in project.rglob("*.yml"):
        path.write_text(
            yaml.safe_dump(_without_tests(yaml.safe_load(path.read_text())), sort_keys=False)
        )
    # The seeds are beside the project, among the rules.
    (folder / "cardops").symlink_to(PROJECT_DIR.parent / "cardops")
    return project


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
