"""The resource `dbt`: runs the project without network and without telemetry.

Belongs here: the two private methods of dagster_dbt that are overridden, and nothing else of
Dagster's. tests/orchestration/test_private_dagster.py fails
where a new version no longer calls them.
"""

from functools import cached_property
from importlib import metadata

from packaging.version import Version
from typing_extensions import override

from cardops.bootstrap import dbt_program
from resources.dagster_dbt_names import DbtCliResource


class InstalledDbt(DbtCliResource):
    """The dbt beside this interpreter, started once for each build.

    dagster_dbt starts it a second time for its version, and loads an adapter into this process for
    row counts that Cardops takes itself: together half of what a small build costs.
    """

    @cached_property
    @override
    def _cli_version(self) -> Version:
        return Version(metadata.version("dbt-core"))

    @override
    def _initialize_dbt_core_adapter(self, args: object) -> None:  # type: ignore[override]
        return None


def dbt_resource() -> InstalledDbt:
    """The dbt beside this interpreter, on this repository's project and profile."""
    project, (executable, *arguments) = dbt_program()
    return InstalledDbt(
        project_dir=str(project),
        profiles_dir=str(project),
        dbt_executable=executable,
        global_config_flags=[*arguments, "--no-use-colors"],
    )
