"""Private parts of Dagster that Cardops uses: a new version that changes them fails here."""

import inspect
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.dagster


def test_dagster_dbt_still_calls_the_overridden_methods() -> None:
    from resources.dagster_dbt_names import DbtCliResource  # noqa: PLC0415 - costs seconds

    source = inspect.getsource(DbtCliResource.cli)

    assert "self._cli_version" in source
    assert "self._initialize_dbt_core_adapter(args)" in source


def test_output_of_what_was_not_made_lets_others_run_without_a_materialization() -> None:
    import dagster as dg  # noqa: PLC0415 - costs seconds

    from assets.failed_parts import not_made  # noqa: PLC0415 - as above

    @dg.asset
    def failed() -> Iterator[Any]:
        yield not_made("result")

    @dg.asset(deps=[failed])
    def after() -> None:
        """Downstream of it."""

    run = dg.materialize([failed, after])

    made = [event.asset_key for event in run.get_asset_materialization_events()]
    assert made == [dg.AssetKey("after")]
    assert not run.get_asset_observation_events()


def test_dagster_dbt_loads_without_dbt_and_finds_every_node() -> None:
    program = (
        "import json, sys\n"
        "from cardops.bootstrap import dbt_manifest\n"
        "from assets.marts import marts_assets\n"
        "models, _ = marts_assets(dbt_manifest())\n"
        "nodes = json.loads(dbt_manifest().read_text())['nodes'].values()\n"
        "wanted = {node['name'] for node in nodes if node['resource_type'] in ('model', 'seed')}\n"
        "assert {key.to_user_string() for key in models.keys} == wanted, models.keys\n"
        "assert len(models.check_keys) > len(wanted)\n"
        "sys.exit(any(name in sys.modules for name in ('dbt.version', 'dbt.cli', 'agate')))\n"
    )

    loaded = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=False
    )

    assert loaded.returncode == 0, loaded.stderr


def test_dbt_makes_only_messages_that_a_log_shows() -> None:
    run_program("""
        from cardops.adapters.warehouse.dbt_process import make_only_shown_messages
        make_only_shown_messages()
        from dbt.adapters.events.types import SQLQuery
        from dbt_common.events.base_types import EventLevel
        from dbt_common.events.event_manager import EventManager
        from dbt_common.events.types import Note
        manager, seen = EventManager(), []
        manager.add_callback(lambda message: seen.append(message.data.msg))

        query = SQLQuery(conn_name="c", sql="select 1")
        manager.fire_event(query)
        assert not seen and "pb_msg" not in vars(query), "made, and nobody shows it"
        assert query.sql == "select 1", "made late, and not as it was said"
        manager.fire_event(Note(msg="a note"))
        assert not seen
        manager.fire_event(Note(msg="a warning"), level=EventLevel.WARN)
        assert seen == ["a warning"]
    """)


def test_dbt_compiles_a_template_once() -> None:
    run_program("""
        from cardops.adapters.warehouse.dbt_process import compile_each_template_once
        compile_each_template_once()
        from dbt_common.clients.jinja import get_template
        def code(text, native=False):
            return get_template(text, {}, native=native).root_render_func.__code__
        assert code("{{ 1 }}") is code("{{ 1 }}")
        assert code("{{ 1 }}") is not code("{{ 2 }}")
        assert code("{{ 1 }}") is not code("{{ 1 }}", native=True)
    """)


def run_program(text: str) -> None:
    """In a process of its own, because what it replaces of dbt would stay replaced."""
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(text)]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_code_server_still_starts_runs_from_its_multiprocessing_context() -> None:
    from dagster._grpc.server import DagsterApiServer  # noqa: PLC0415 - costs seconds

    assert "self._mp_ctx.Process(" in inspect.getsource(DagsterApiServer.StartRun)
    assert "self._mp_ctx = " in inspect.getsource(DagsterApiServer.__init__)


def test_dagster_still_captures_output_where_it_is_replaced() -> None:
    from dagster._core.execution.compute_logs import redirect_to_file  # noqa: PLC0415 - costs seconds
    from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager  # noqa: PLC0415 - as above

    assert list(inspect.signature(redirect_to_file).parameters) == ["stream", "filepath"]
    source = inspect.getsource(LocalComputeLogManager.capture_logs)
    assert "mirror_stream_to_file(sys.stdout" in source
    assert "complete_artifact_path(log_key)" in source
    path = LocalComputeLogManager("/logs").complete_artifact_path(["run", "step"])
    assert path == "/logs/run/step.complete"


def test_storages_still_open_connections_by_the_engine_that_is_replaced() -> None:
    from dagster._core.storage.base_storage import DagsterStorage  # noqa: PLC0415 - costs seconds
    from dagster_postgres import (  # noqa: PLC0415 - as above
        PostgresEventLogStorage,
        PostgresRunStorage,
        PostgresScheduleStorage,
    )

    for connect in (
        PostgresRunStorage.connect,
        PostgresEventLogStorage._connect,
        PostgresScheduleStorage.connect,
    ):
        assert "create_pg_connection(self._engine)" in inspect.getsource(connect)
    parameters = inspect.signature(PostgresRunStorage.optimize_for_webserver).parameters
    assert set(parameters) == {"self", "statement_timeout", "pool_recycle", "max_overflow"}
    assert {"run_storage", "event_log_storage", "schedule_storage"} <= set(dir(DagsterStorage))


def test_dbt_still_orders_models_after_tests_in_one_place() -> None:
    from dbt.compilation import Compiler, Linker  # noqa: PLC0415 - costs a second

    assert "linker.add_test_edges(manifest)" in inspect.getsource(Compiler.compile)
    assert list(inspect.signature(Linker.add_test_edges).parameters) == ["self", "manifest"]


def test_dbt_still_writes_its_manifest_by_the_names_that_are_replaced() -> None:
    from dbt.parser import manifest  # noqa: PLC0415 - costs a second
    from dbt.task import runnable  # noqa: PLC0415 - as above

    assert "write_manifest(manifest, runtime_config" in inspect.getsource(manifest.parse_manifest)
    assert "write_manifest(self.manifest" in inspect.getsource(runnable.GraphRunnableTask.run)


def test_dbt_still_asks_the_connection_whether_to_parse_again() -> None:
    from dbt.adapters.duckdb.credentials import DuckDBCredentials  # noqa: PLC0415 - costs a second
    from dbt.parser.manifest import ManifestLoader  # noqa: PLC0415 - as above

    source = inspect.getsource(ManifestLoader.build_manifest_state_check)

    assert "config.credentials.connection_info()" in source
    assert "path" in DuckDBCredentials._connection_keys(object())  # type: ignore[arg-type]
