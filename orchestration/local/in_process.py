"""Runs jobs of the code location inside a command, on the instance that the UI shows.

Belongs here: Dagster's part of a command. It takes seconds to import, so commands import it only
when they have something to run.
"""

import logging
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import dagster as dg

from assets.refused_files import INTAKE_TAG
from cardops.contracts.kinds.registry import KINDS
from cardops.rules.intake.files import IntakeFile, Kind
from cardops.settings import Settings
from orchestration.cli.output import CommandError
from orchestration.local.instance import first_business_date, open_instance
from orchestration.local.run_origins import give_runs_their_origin
from sensors.delivery import delivery_tags
from sensors.errors import innermost
from sensors.intake import BATCHES, partition_of, run_config
from sensors.processes import PROCESS_TAG, process_tag

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True, slots=True)
class RunResult:
    """A finished run: the checks that failed, and the files made of rows that had been waiting."""

    run_id: str | None
    failed_checks: tuple[str, ...]
    released: tuple[str, ...] = ()


class RunFailedError(CommandError):
    """A run did not succeed; its first error says why."""

    def __init__(self, job_name: str, run_id: str, error: str) -> None:
        super().__init__(f"{error} (run {run_id} of {job_name})")


def ignore_beta_warnings() -> None:
    """Dagster warns of each use of a feature that is new in it; those in use were chosen on purpose."""
    for category in (dg.BetaWarning, dg.PreviewWarning):
        warnings.simplefilter("ignore", category)


class InProcessRuns:
    """The definitions, loaded once a command, and runs of their jobs."""

    def __init__(
        self,
        settings: Settings,
        *,
        with_dbt: bool = False,
        resource_overrides: Mapping[str, Any] | None = None,
        is_service: bool = False,
    ) -> None:
        """Sensors follow the runs of a service; what became of a command's run, the command tells."""
        self._settings = settings
        self._is_service = is_service
        self._with_dbt = with_dbt
        self._resource_overrides = resource_overrides

    def load(self) -> None:
        """Open the instance and load the definitions now, not at the first run."""
        _ = self.instance, self.definitions

    def ingest_file(self, kind: Kind, files: Sequence[IntakeFile]) -> RunResult:
        """Ingest claimed files of one partition. Raises RunFailedError."""
        partition = partition_of(files[0])
        if files[0].batch_id:
            self.instance.add_dynamic_partitions(BATCHES, [files[0].batch_id])
        numbers = ",".join(str(intake_file.intake_id) for intake_file in files)
        return self.run(
            KINDS[kind].job_name,
            partition_key=partition,
            run_config=run_config(KINDS[kind], files),
            tags={INTAKE_TAG: numbers},
        )

    def deliver(self, batch_id: str) -> RunResult:
        """Build the files of a batch and deliver them. Raises RunFailedError."""
        self.instance.add_dynamic_partitions(BATCHES, [batch_id])
        return self.run("chargeback_delivery", tags=delivery_tags(batch_id))

    def run(
        self,
        job_name: str,
        *,
        partition_key: str | None = None,
        run_config: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> RunResult:
        """Run a job to its end in this process. Raises RunFailedError."""
        result = self.definitions.get_job(job_name).execute_in_process(
            instance=self.instance,
            partition_key=partition_key,
            run_config={**QUIET, **(run_config or {})},
            tags={PROCESS_TAG: process_tag(), **(tags or {})},
            raise_on_error=False,
        )
        failed = tuple(
            check.check_name for check in result.get_asset_check_evaluations() if not check.passed
        )
        if not result.success and not failed:
            error = _first_error(result)
            if error.endswith(dg.DagsterExecutionInterruptedError.__name__):
                raise KeyboardInterrupt
            raise RunFailedError(job_name, result.run_id, error)
        return RunResult(result.run_id, failed, _released(result))

    @cached_property
    def instance(self) -> dg.DagsterInstance:
        """The home's instance."""
        # The storage logs every connection attempt to the root logger; only its last error matters.
        logging.getLogger().addFilter(lambda record: record.levelno >= logging.ERROR)
        instance = open_instance(self._settings)
        # Dagster would configure Python's logging anew for each run, although no handlers are configured,
        # and close those of runs in other threads: while one of them logs, that is a deadlock.
        instance.get_yaml_python_handlers = _no_handlers  # type: ignore[method-assign]
        if self._is_service:
            give_runs_their_origin(instance)
        return instance

    @cached_property
    def definitions(self) -> dg.RepositoryDefinition:
        """Those of the code location."""
        # Assets read the settings of this process. The beta features in use were chosen on purpose.
        os.environ["CARDOPS_HOME"] = str(self._settings.home)
        ignore_beta_warnings()
        from orchestration.definitions import build_defs  # noqa: PLC0415 - after the filter

        return build_defs(
            with_dbt=self._with_dbt,
            first_date=first_business_date(self._settings),
            resource_overrides=self._resource_overrides,
        ).get_repository_def()


def _no_handlers() -> Sequence[logging.Handler]:
    return []


def _released(result: dg.ExecuteInProcessResult) -> tuple[str, ...]:
    events = result.get_asset_materialization_events()
    found = (event.materialization.metadata.get("released") for event in events)
    return tuple(key for keys in found if keys is not None for key in _listed(keys.value))


def _listed(value: object) -> list[str]:
    return [str(key) for key in value] if isinstance(value, list) else []


def _first_error(result: dg.ExecuteInProcessResult) -> str:
    failures = (event.step_failure_data.error for event in result.get_step_failure_events())
    for error in map(innermost, failures):
        if error:
            # Dagster prefixes the message with the exception's class.
            return re.sub(r"^[\w.]+: ", "", error.message.strip().splitlines()[0])
    return "The run failed before its first step; `cardops doctor` checks every part."
