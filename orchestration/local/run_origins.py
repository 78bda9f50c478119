"""Where a run in a process of our own belongs: to the code location, as runs of Dagster's queue do.

Without an origin no sensor that follows runs sees it, and the UI lists it at no job: a run of the intake worker
would raise no alarm when it fails, and its batch would wait for the sensor of unmade batches.
"""

from typing import Final

import dagster as dg
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)

# As the workspace of `cardops up` and pyproject.toml name it.
LOCATION: Final = "cardops"


class RunsOfTheLocation:
    """Creates the runs of an instance's jobs with their origin."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._create = instance.create_run_for_job

    def __call__(self, job_def: dg.JobDefinition, **given: object) -> dg.DagsterRun:
        """In place of the instance's `create_run_for_job`."""
        repository = RemoteRepositoryOrigin(
            RegisteredCodeLocationOrigin(LOCATION), SINGLETON_REPOSITORY_NAME
        )
        given["remote_job_origin"] = RemoteJobOrigin(repository, job_def.name)
        return self._create(job_def, **given)  # type: ignore[arg-type] # as it was called


def give_runs_their_origin(instance: dg.DagsterInstance) -> None:
    """Of those that this process runs itself."""
    instance.create_run_for_job = RunsOfTheLocation(instance)  # type: ignore[method-assign, assignment] # takes what is given
