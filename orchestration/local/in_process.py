"""Runs of the code location's jobs inside a command, on the instance that the UI shows.

Belongs here: Dagster's part of a command. It loads in seconds, so commands import it only when
they have something to run.
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

from cardops.contracts.kinds.registry import KINDS
from cardops.rules.intake.files import IntakeFile, Kind
from cardops.settings import Settings
from orchestration.cli.output import CommandError
from orchestration.local.instance import PROCESS_TAG, keep_connections, open_instance, process_tag
from sensors.delivery import delivery_tags
from sensors.intake import BATCHES, INTAKE_TAG, partition_of, run_config

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True, slots=True)
class RunResult:
    """A run that ended: which checks failed, and which waiting rows became files of their own."""

    run_id: str | None
    failed_checks: tuple[str, ...]
    released: tuple[str, ...] = ()


class RunFailedError(CommandError):
    """A run did not succeed; its first error says why."""

    def __init__(self, job_name: str, run_id: str, error: str) -> None:
        super().__init__(f"{error} (run {run_id} of {job_name})")


class InProcessRuns:
    """Lean definitions, loaded once a command, and runs of their jobs."""

    def __init__(self, settings: Settings, *, with_dbt: bool = False) -> None:
        self._settings = settings
        self._with_dbt = with_dbt

    def ingest_file(self, kind: Kind, files: Sequence[IntakeFile]) -> RunResult:
        """Take in claimed files of one partition. Raises RunFailedError."""
        partition = partition_of(files[0])
        if files[0].batch_id:
            self.instance.add_dynamic_partitions(BATCHES, [files[0].batch_id])
        numbers = ",".join(str(one.intake_id) for one in files)
        return self.run(
            KINDS[kind].job_name,
            partition_key=partition,
            run_config=run_config(KINDS[kind], files),
            tags={INTAKE_TAG: numbers},
        )

    def deliver(self, batch_id: str) -> RunResult:
        """Make a batch's files and deliver them. Raises RunFailedError."""
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
        result = self._definitions.get_job(job_name).execute_in_process(
            instance=self.instance,
            partition_key=partition_key,
            run_config={**QUIET, **(run_config or {})},
            tags={PROCESS_TAG: process_tag(), **(tags or {})},
            raise_on_error=False,
        )
        failed = tuple(
            one.check_name for one in result.get_asset_check_evaluations() if not one.passed
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
        # The storage logs each try to connect to the root logger; the last error is what counts.
        logging.getLogger().addFilter(lambda record: record.levelno >= logging.ERROR)
        instance = open_instance(self._settings)
        keep_connections(instance)
        return instance

    @cached_property
    def _definitions(self) -> dg.RepositoryDefinition:
        # Assets read the settings of this process; what Dagster calls beta was chosen.
        os.environ["CARDOPS_HOME"] = str(self._settings.home)
        for category in (dg.BetaWarning, dg.PreviewWarning):
            warnings.simplefilter("ignore", category)
        from orchestration.definitions import build_defs  # noqa: PLC0415 - after the filter

        return build_defs(with_dbt=self._with_dbt).get_repository_def()


def _released(result: dg.ExecuteInProcessResult) -> tuple[str, ...]:
    events = result.get_asset_materialization_events()
    found = (event.materialization.metadata.get("released") for event in events)
    return tuple(key for told in found if told is not None for key in _listed(told.value))


def _listed(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _without_class(line: str, class_name: str | None) -> str:
    """The sentence alone: Dagster puts the error's class before it."""
    head, mark, sentence = line.partition(": ")
    return sentence if mark and class_name and head.endswith(class_name) else line


def _first_error(result: dg.ExecuteInProcessResult) -> str:
    failures = (event.step_failure_data.error for event in result.get_step_failure_events())
    for error in failures:
        innermost = error
        while innermost and innermost.cause:
            innermost = innermost.cause
        if innermost:
            # Dagster puts the exception's class before its sentence.
            return re.sub(r"^[\w.]+: ", "", innermost.message.strip().splitlines()[0])
    return "The run failed before its first step; `cardops doctor` checks every part."
