"""The code location: assets, checks, jobs, schedules, sensors and resources put together.

Belongs here: composition. Tests replace resources with `build_defs(resource_overrides=…)`; runs
inside a command leave out dbt.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

import dagster as dg

from assets.partitions import FIRST_BUSINESS_DATE
from assets.refused_files import file_refusal_job
from cardops.settings import Settings
from orchestration.asset_catalog import assets_of, checks, described, source_checks
from orchestration.asset_labels import labelled
from orchestration.first_date import beginning_on
from orchestration.freshness import with_deadlines
from orchestration.jobs import jobs
from orchestration.resource_bindings import resources
from orchestration.schedules import schedules
from orchestration.sensor_catalog import sensors


def build_defs(
    *,
    with_dbt: bool = True,
    resource_overrides: Mapping[str, Any] | None = None,
    first_date: date = FIRST_BUSINESS_DATE,
    pages_url: str | None = None,
) -> dg.Definitions:
    """The definitions; they load with an empty environment.

    Partitions of dates begin on `first_date`; `pages_url` is where a browser finds runbooks and reports.
    """
    found = described(assets_of(with_dbt=with_dbt), with_dbt=with_dbt)
    assets = with_deadlines(labelled(found, pages_url))
    assets = beginning_on(first_date, assets)
    of_sources = source_checks(with_dbt=with_dbt)
    all_jobs = jobs(assets, of_sources)
    bound = {**resources(), **(resource_overrides or {})}
    if with_dbt:
        from resources.dbt import dbt_resource  # noqa: PLC0415 - dagster_dbt costs a second

        bound = {"dbt": dbt_resource(), **bound}
    return dg.Definitions(
        assets=assets,
        asset_checks=[*checks(), *of_sources],
        jobs=[*all_jobs.values(), file_refusal_job],
        schedules=schedules(),
        sensors=sensors(all_jobs),
        resources=bound,
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions that `dagster` and `dg` load."""
    settings = Settings.load()
    return build_defs(
        first_date=settings.first_business_date or FIRST_BUSINESS_DATE,
        pages_url=settings.pages_url,
    )
