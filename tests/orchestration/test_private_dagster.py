"""Private parts of Dagster that Cardops uses: a new version that changes them fails here."""

import inspect

import pytest

pytestmark = pytest.mark.dagster


def test_dagster_dbt_still_calls_the_overridden_methods() -> None:
    from dagster_dbt import DbtCliResource  # noqa: PLC0415 - costs seconds

    source = inspect.getsource(DbtCliResource.cli)

    assert "self._cli_version" in source
    assert "self._initialize_dbt_core_adapter(args)" in source


def test_code_server_still_starts_runs_from_its_multiprocessing_context() -> None:
    from dagster._grpc.server import DagsterApiServer  # noqa: PLC0415 - costs seconds

    assert "self._mp_ctx.Process(" in inspect.getsource(DagsterApiServer.StartRun)
    assert "self._mp_ctx = " in inspect.getsource(DagsterApiServer.__init__)


def test_dagster_still_has_a_compute_log_manager_that_captures_nothing() -> None:
    from dagster._core.storage.noop_compute_log_manager import NoOpComputeLogManager  # noqa: PLC0415 - costs seconds

    assert NoOpComputeLogManager.from_config_value.__name__ == "from_config_value"


def test_instance_still_pools_connections_for_its_webserver() -> None:
    from dagster import DagsterInstance  # noqa: PLC0415 - costs seconds

    parameters = inspect.signature(DagsterInstance.optimize_for_webserver).parameters

    assert set(parameters) == {"self", "statement_timeout", "pool_recycle", "max_overflow"}
