"""The resource `dbt`: runs the project without network and without telemetry."""

import sys
from pathlib import Path

from dagster_dbt import DbtCliResource

from cardops.adapters.dbt import PROJECT_DIR


def dbt_resource() -> DbtCliResource:
    """The dbt beside this interpreter, on this repository's project and profile."""
    return DbtCliResource(
        project_dir=str(PROJECT_DIR),
        profiles_dir=str(PROJECT_DIR),
        dbt_executable=str(Path(sys.executable).parent / "dbt"),
        global_config_flags=["--no-use-colors"],
    )
