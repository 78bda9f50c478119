"""The process of the intake worker: its adapters, its definitions, and its end by a signal.

Belongs here: what the worker is made of. What it does is in `intake_worker`.
"""

import logging
import signal
import threading
from collections.abc import Mapping
from dataclasses import replace
from types import FrameType
from typing import Any

from cardops.bootstrap import Adapters, keep_sessions
from cardops.rules.intake.files import Kind
from cardops.rules.intake.source_controls import DEPOSITS, HoldReason
from cardops.services.intake.claiming import Claims
from cardops.settings import Settings
from orchestration.composition import claims_of
from orchestration.local.first_ticks import wait_for_first_ticks
from orchestration.local.in_process import InProcessRuns
from orchestration.local.intake_worker import IntakeWorker, Sources
from orchestration.local.supervisor import STOP_SIGNALS
from resources.aws import DagsterAwsClients
from resources.duckdb_sessions import DagsterDuckDbSessions

_log = logging.getLogger("cardops.intake")


def run_worker(settings: Settings) -> None:
    """Ingest what arrives until a signal to stop; the run in hand ends first."""
    adapters = _adapters(settings)
    runs = _runs(settings, adapters)
    worker = _worker(adapters, runs)
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()
        worker.stop()

    for number in STOP_SIGNALS:
        signal.signal(number, stop)
    wait_for_first_ticks(runs.instance, runs.definitions.sensor_defs, stopping)
    _log.info("Files under %s/incoming are ingested as they arrive.", settings.store_url("raw"))
    worker.run()


def make_worker(settings: Settings) -> IntakeWorker:
    """The worker of an instance, with its definitions loaded."""
    adapters = _adapters(settings)
    return _worker(adapters, _runs(settings, adapters))


def _adapters(settings: Settings) -> Adapters:
    keep_sessions()
    return Adapters(settings, aws=DagsterAwsClients(), duckdb=DagsterDuckDbSessions())


def _runs(settings: Settings, adapters: Adapters) -> InProcessRuns:
    runs = InProcessRuns(settings, resource_overrides=intake_resources(adapters), is_service=True)
    runs.load()
    return runs


def _worker(adapters: Adapters, runs: InProcessRuns) -> IntakeWorker:
    return IntakeWorker(
        _sources(adapters),
        _claims(adapters),
        runs,
        adapters.notifier,
        kinds_of_sensors=lambda: _waiting_for_control(adapters),
    )


def _waiting_for_control(adapters: Adapters) -> set[Kind]:
    """Kinds with a held file whose control file the sensors look for."""
    return {
        file.arrival.kind
        for file, hold in adapters.source_controls.held(DEPOSITS)
        if hold.reason is HoldReason.CONTROL_FILE
    }


def _sources(adapters: Adapters) -> Sources:
    arrivals = adapters.queued_arrivals or adapters.prompt_arrivals
    return Sources(adapters.arrival_watch, arrivals, adapters.prompt_arrivals)


def _claims(adapters: Adapters) -> Claims:
    return replace(claims_of(adapters), notifier=adapters.notifier)


def intake_resources(adapters: Adapters) -> Mapping[str, Any]:
    """The ports of the intake assets, built once: for each run they cost a tenth of it."""
    return {
        "raw_store": adapters.raw_store,
        "failed_store": adapters.failed_store,
        "lake": adapters.lake,
        "intake_ledger": adapters.intake_ledger,
        "known_rows": adapters.known_rows,
        "programs": adapters.programs,
        "source_controls": adapters.source_controls,
        "clock": adapters.database_clock,
        "deposit_ledger": adapters.deposit_ledger,
    }
