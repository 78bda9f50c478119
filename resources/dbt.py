"""The resource `dbt`: runs the project without network and without telemetry."""

from dagster_dbt import DbtCliResource

from cardops.adapters.warehouse.dbt import PROJECT_DIR, dbt_executable


def dbt_resource() -> DbtCliResource:
    """The dbt beside this interpreter, on this repository's project and profile."""
    return DbtCliResource(
        project_dir=str(PROJECT_DIR),
        profiles_dir=str(PROJECT_DIR),
        dbt_executable=dbt_executable(),
        global_config_flags=["--no-use-colors"],
    )
