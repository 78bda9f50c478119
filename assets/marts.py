"""The dbt models as assets, each dbt test as an asset check, and the publication of the marts.

dbt's manifest is made at set-up and passed in, so that importing this module costs neither a parse
nor dagster_dbt: `marts_assets(manifest)` does.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import dagster as dg
from typing_extensions import override

from assets.dbt_results import described_events, results_of
from assets.dbt_tests import sentence_of, with_short_names
from assets.failed_parts import is_reported, not_made
from assets.partitions import business_date_of, business_dates, one_date_a_run
from cardops.ports import Lake, Warehouse
from cardops.rules.reports import BuildFailedError, BuildFailures

if TYPE_CHECKING:
    from dagster_dbt import DbtCliInvocation

    from resources.dagster_dbt_names import DagsterDbtTranslator

GROUP: Final = "analytics"
# One run at a time builds or publishes marts; the next waits in Dagster's queue, not in a place for runs.
POOL: Final = "marts"
# Unit tests of the models have their own rows, so no night can make them fail: `make test` runs them.
BUILD: Final = ("build", "--exclude-resource-type", "unit_test")
# How dbt says in its results that a node is not as it should be.
_SKIPPED: Final = "skipped"
_FAILED: Final = frozenset({"error", "fail", "partial success", _SKIPPED})
# The publication waits for the whole dbt build: these marts are the last it makes.
MARTS: Final = (
    "dim_accounts",
    "dim_dates",
    "dim_payment_methods",
    "fct_acknowledgements",
    "fct_ce3_candidates",
    "fct_chargeback_rate_monthly",
    "fct_chargeback_rate_per_payment_method",
    "fct_chargeback_rate_snapshots",
    "fct_daily_balances",
    "fct_daily_movements",
    "fct_authorizations",
    "fct_deliveries",
    "fct_deposit_funding",
    "fct_deposits",
    "fct_dispute_outcomes",
    "fct_dispute_outcomes_monthly",
    "fct_dispute_queue",
    "fct_dispute_snapshots",
    "fct_disputes",
    "fct_disputes_outside_rates",
    "fct_fraud_ring_hubs",
    "fct_fraud_ring_links",
    "fct_fraud_ring_members",
    "fct_fraud_ring_money",
    "fct_fraud_rings",
    "fct_match_breaks",
    "fct_monitoring_programmes",
    "fct_payment_failure_daily",
    "fct_payment_failure_rate_per_payment_method",
    "fct_payment_failure_snapshots",
    "fct_provider_health_daily",
    "fct_provisional_credits",
    "fct_quarantine",
    "fct_reconciliation",
    "fct_reconciliation_breaks",
    "fct_safeguarding",
    "fct_three_way_match",
    "fct_unknown_payment_texts",
    "fct_waiting_disputes",
)


@dg.asset(
    partitions_def=business_dates,
    backfill_policy=one_date_a_run,
    group_name=GROUP,
    # After a break the former publication stays in place; the report is made nevertheless.
    deps=[*MARTS, "reconciliation"],
    kinds={"duckdb", "parquet"},
    pool=POOL,
)
def published_marts(
    context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
) -> dg.MaterializeResult[None]:
    """Every mart as Parquet, and one read-only DuckDB file of views over them for analysts."""
    publication = warehouse.publish()
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(publication.row_counts.values()),
            "row_counts": dg.MetadataValue.json(dict(publication.row_counts)),
            "path": dg.MetadataValue.path(str(publication.path)),
            "query": dg.MetadataValue.text('cardops sql "select * from fct_daily_balances"'),
        }
    )


def marts_assets(manifest: Path) -> list[dg.AssetsDefinition]:
    """The dbt models of that manifest, and the publication of the marts."""
    from resources.dagster_dbt_names import (  # noqa: PLC0415 - costs a second
        DbtCliResource,
        dbt_assets,
    )

    @dbt_assets(
        manifest=with_short_names(json.loads(manifest.read_text())),
        name="dbt_models",
        partitions_def=business_dates,
        backfill_policy=one_date_a_run,
        dagster_dbt_translator=_translator(),
        pool=POOL,
    )
    def dbt_models(
        context: dg.AssetExecutionContext,
        dbt: DbtCliResource,
        warehouse: dg.ResourceParam[Warehouse],
        lake: dg.ResourceParam[Lake],
    ) -> Iterator[Any]:
        """Staging, intermediate and marts; the incremental ones for the dates that changed in the lake."""
        business_date_of(context)
        with (
            warehouse.building(lake) as environment,
            _environment_variables(environment),
            # dagster_dbt prints dbt's output; a command's standard output is for its result alone.
            redirect_stdout(sys.stderr),
        ):
            build = dbt.cli(
                BUILD, context=context, target_path=warehouse.target_path, raise_on_error=False
            )
            made = set[str]()
            for event in described_events(build, warehouse):
                if isinstance(event, dg.Output):
                    made.add(event.output_name)
                yield event
            # What failed keeps the marts from analysts, and the report from nobody.
            if error := build.get_error():
                failures = _failures(build, error)
                warehouse.record_failures(failures)
                if failures.models and not is_reported(context):
                    raise BuildFailedError(failures)
                yield from map(not_made, _outputs_in_order(context, made))

    return [dbt_models, published_marts]


def _outputs_in_order(context: dg.AssetExecutionContext, made: set[str]) -> list[str]:
    """Outputs of models that were not made, each after those that it reads, as Dagster demands."""
    place = {
        key: number
        for number, key in enumerate(context.job_def.asset_layer.asset_graph.toposorted_asset_keys)
    }
    names = context.assets_def.keys_by_output_name
    return sorted(names.keys() - made, key=lambda name: place[names[name]])


def _failures(build: "DbtCliInvocation", error: Exception) -> BuildFailures:
    """Tests and models that failed, and models that were not built for it; else dbt itself failed."""
    failed = [
        (result["unique_id"].split("."), result["status"], result["message"] or result["status"])
        for result in results_of(build)
        if result["status"] in _FAILED
    ]
    found = BuildFailures(
        tests=sorted(
            name[2] for name, status, _ in failed if name[0] == "test" and status != _SKIPPED
        ),
        models={
            name[2]: why for name, status, why in failed if name[0] != "test" and status != _SKIPPED
        },
        skipped=sorted(
            name[2] for name, status, _ in failed if name[0] != "test" and status == _SKIPPED
        ),
    )
    return found or BuildFailures(models={"dbt": str(error)})


@contextmanager
def _environment_variables(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables inside the block: dagster_dbt passes its environment on to dbt."""
    former = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in former.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


def _translator() -> "DagsterDbtTranslator":
    from resources.dagster_dbt_names import (  # noqa: PLC0415 - costs a second
        DagsterDbtTranslator,
        DagsterDbtTranslatorSettings,
    )

    class Translator(DagsterDbtTranslator):
        """Names models after themselves and puts them in one group."""

        @override
        def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
            if dbt_resource_props["resource_type"] == "source":
                return super().get_asset_key(dbt_resource_props)
            return dg.AssetKey(dbt_resource_props["name"])

        @override
        def get_partition_mapping(
            self,
            dbt_resource_props: Mapping[str, Any],
            dbt_parent_resource_props: Mapping[str, Any],
        ) -> dg.PartitionMapping | None:
            # Chargebacks are partitioned by batch, not by business date: a build reads all of them.
            if dbt_parent_resource_props["name"] == "chargebacks":
                return dg.AllPartitionMapping()
            return None

        @override
        def get_asset_check_spec(
            self,
            asset_spec: dg.AssetSpec,
            manifest: Mapping[str, Any],
            unique_id: str,
            project: Any,
        ) -> dg.AssetCheckSpec | None:
            # A failed check that blocks would keep the report from being made as well.
            spec = super().get_asset_check_spec(asset_spec, manifest, unique_id, project)
            sentence = sentence_of(manifest["nodes"][unique_id])
            return spec and spec._replace(blocking=False, description=sentence)

        @override
        def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
            # Without the SQL, which dagster_dbt adds.
            return str(dbt_resource_props["description"])

        @override
        def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
            return GROUP

    # Source tests run inside the build, and keep it from being published. As checks that this build makes of `balances`
    # and other assets they would make Dagster split the close into two builds: source_tests.py shows them instead.
    # One asset writes several tables of the lake: its snapshot of fraud rings.
    settings = DagsterDbtTranslatorSettings(
        enable_source_tests_as_checks=False, enable_duplicate_source_asset_keys=True
    )
    return Translator(settings=settings)
