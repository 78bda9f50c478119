"""The type of a job as `dg.define_asset_job` makes it, which Dagster does not export.

Belongs here: this one private name of Dagster. tests/sensors/test_jobs.py notices when it moves.
"""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

AssetJob = UnresolvedAssetJobDefinition
Job = dg.JobDefinition | AssetJob
