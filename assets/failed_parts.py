"""A part of analytics that fails: the rest is made, the report says what is missing, the run ends failed.

In Dagster a step that raises keeps everything downstream from being made, and the report is downstream of
all. So a part that fails in a run that makes the report is recorded and lets the run go on;
`daily_report` raises once its page is written. In any other run the part raises at once.
"""

from typing import Final

import dagster as dg
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION

REPORT: Final = dg.AssetKey("daily_report")


def is_reported(context: dg.AssetExecutionContext) -> bool:
    """Whether this run makes the report, which says what failed and then ends the run as failed."""
    return REPORT in context.job_def.asset_layer.executable_asset_keys


def not_made(output_name: str) -> dg.Output[None]:
    """Lets what is downstream run; no materialization is recorded of what was not made.

    Dagster has this for observed sources, and no public name for it; tests/orchestration/test_private_dagster.py
    fails where a new version records one.
    """
    return dg.Output(
        None, output_name=output_name, metadata={SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION: True}
    )
