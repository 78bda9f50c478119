"""The resource `dbt`: runs the project without network and without telemetry."""

from dagster_dbt import DbtCliResource

from cardops.bootstrap import dbt_executable, dbt_project


def dbt_resource() -> DbtCliResource:
    """The dbt beside this interpreter, on this repository's project and profile."""
    project = str(dbt_project())
    return DbtCliResource(
        project_dir=project,
        profiles_dir=project,
        dbt_executable=dbt_executable(),
        global_config_flags=["--no-use-colors"],
    )
