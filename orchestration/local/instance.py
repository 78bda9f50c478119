"""The Dagster instance of a home: its dagster.yaml, its storage, and runs that a crash left open.

Belongs here: Dagster's configuration. Its tables have a database of their own on the same server.
"""

import os
import shlex
import sys
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Final

from cardops.bootstrap import Adapters, file_lock
from cardops.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

# dagster.yaml names these variables, so that no password is written to disk.
URL_VARIABLE: Final = "CARDOPS_DAGSTER_URL"
OUTPUT_VARIABLE: Final = "CARDOPS_RUN_OUTPUT"
# Set in processes that do nothing but one run. Elsewhere the output belongs to a terminal or to a service.
OWN_PROCESS_VARIABLE: Final = "CARDOPS_RUN_HAS_ITS_OWN_PROCESS"

DAGSTER_YAML: Final = f"""\
# Cardops writes this file whenever it starts; changes to it are lost.
# The one for production is deploy/dagster.yaml.
storage:
  custom:
    module: orchestration.local.pooled_storage
    class: PooledPostgresStorage
    config:
      postgres_url:
        env: {URL_VARIABLE}
compute_logs:
  module: orchestration.local.captured_output
  class: CapturedOutput
  config:
    base_dir:
      env: {OUTPUT_VARIABLE}
run_queue:
  dequeue_interval_seconds: 1
concurrency:
  runs:
    max_concurrent_runs: 2
    tag_concurrency_limits:
      # A backfill of a year leaves one place for the day's work.
      - key: dagster/backfill
        limit: 1
  pools:
    # Runs that build marts: the second waits in the queue, where it takes no place that intake may need.
    granularity: run
    default_limit: 1
run_monitoring:
  enabled: true
  start_timeout_seconds: 180
  cancel_timeout_seconds: 60
  max_runtime_seconds: 21600
run_retries:
  enabled: true
  max_retries: 0
sensors:
  use_threads: true
  num_workers: 4
schedules:
  use_threads: true
  num_workers: 2
retention:
  sensor:
    purge_after_days: {{skipped: 1, success: 30, failure: 30}}
  schedule:
    purge_after_days: {{skipped: 7, success: 90, failure: 90}}
  auto_materialize:
    purge_after_days: {{skipped: 1, success: 30, failure: 30}}
freshness:
  enabled: true
telemetry:
  enabled: false
nux:
  enabled: false
"""


def prepare_instance(settings: Settings) -> Mapping[str, str]:
    """Write the home's dagster.yaml; returns the environment that points Dagster to it."""
    home = settings.home / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    written = home / "dagster.yaml"
    if not written.exists() or written.read_text() != DAGSTER_YAML:
        unfinished = written.with_suffix(f".{os.getpid()}")
        unfinished.write_text(DAGSTER_YAML)
        unfinished.replace(written)
    return {
        "DAGSTER_HOME": str(home),
        URL_VARIABLE: _for_dagster(Adapters(settings).database.dagster_url),
        OUTPUT_VARIABLE: str(home / "output"),
        "DAGSTER_DISABLE_TELEMETRY": "1",
    }


def first_business_date(settings: Settings) -> date:
    """The date with which partitions begin: what is set, else what the database knows."""
    return settings.first_business_date or Adapters(settings).intake_ledger.first_business_date()


def _for_dagster(url: str) -> str:
    """Name the driver: SQLAlchemy would choose psycopg 3, with which Dagster's NOTIFY fails."""
    return f"postgresql+psycopg2://{url.partition('://')[2]}"


def open_instance(settings: Settings) -> "dg.DagsterInstance":
    """The instance with its tables, which one process at a time creates."""
    os.environ.update(prepare_instance(settings))
    import dagster as dg  # noqa: PLC0415 - takes seconds to import

    with file_lock(settings.home / "dagster" / "start.lock"):
        return dg.DagsterInstance.get()


def end_leftover_runs(instance: "dg.DagsterInstance") -> int:
    """Fail runs whose process is gone, so that their files are ingested again; returns how many.

    Call it only where no other server of this home runs.
    """
    import dagster as dg  # noqa: PLC0415 - as above

    from sensors.processes import PROCESS_TAG, end_run, is_process_alive  # noqa: PLC0415 - as above

    started = [
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
    ]
    leftover = [
        run
        for run in instance.get_runs(dg.RunsFilter(statuses=started))
        if not is_process_alive(run.tags.get(PROCESS_TAG))
    ]
    for run in leftover:
        end_run(instance, run)
    return len(leftover)


def main() -> None:
    """`eval "$(python -m orchestration.local.instance)"`: the environment of Dagster's own commands."""
    for name, value in prepare_instance(Settings.load()).items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")


if __name__ == "__main__":
    main()
