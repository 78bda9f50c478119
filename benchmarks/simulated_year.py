"""A year in the control room: `python -m benchmarks simulated_year HOME [DAYS]`.

Each day has one small file of each kind, taken in by the intake jobs, the chargeback files of its batch, the close of
its date, and the pruning of old runs; each week everything is compared: real runs in this process, on the instance of
HOME. The store's clock cannot be set, so what Dagster wrote of a day is dated back afterwards. The close is that
without dbt; the events of a build of the marts are written in its place, as many and as large as a real one's
(`MODELS`, `CHECKS`): 365 builds would take hours.

Printed each month, and as JSON at the end: bytes of Dagster's tables, seconds of one tick of every sensor, and seconds
of the queries by which the UI shows an asset's partitions, the runs and the checks. The first home of some days is
the measure for the last: `python -m benchmarks simulated_year HOME 30`.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

import dagster as dg
from sqlalchemy import text
from typing_extensions import override

from benchmarks.sensor_ticks import seconds_of_ticks
from cardops.bootstrap import Adapters
from cardops.contracts.kinds.registry import KINDS
from cardops.ports import Clock
from cardops.rules.intake.files import DEFAULT_PROGRAM, Kind
from cardops.settings import Settings
from orchestration.composition import claims_of
from orchestration.local.history import SettingsHistory, sizes
from orchestration.local.in_process import InProcessRuns, RunFailedError
from orchestration.local.instance import open_instance
from simulation.generator import generate

DAYS: Final = 365
ROWS: Final = 20
# A build of the marts of the demo: materializations and evaluated checks, and the bytes of their metadata.
MODELS: Final = 87
CHECKS: Final = 184
MODEL_BYTES: Final = 6_000
ROUNDS: Final = 3
# Of the week; without a comparison of everything, each night would compare everything.
PROVED_ON: Final = 6
PROOF: Final = {"ops": {"reconciling": {"config": {"is_full": True}}}}
# With this the ticks that would claim or request something have nothing to do.
QUIET_KINDS: Final = ("deposits", "transactions", "orders", "chargebacks")


@dataclass
class SimulatedClock(Clock):
    """Noon of the day that is simulated."""

    at: datetime

    @override
    def now(self) -> datetime:
        return self.at


@dataclass(frozen=True, slots=True)
class Look:
    """What was measured after so many days."""

    days: int
    dagster_bytes: int
    tables: Mapping[str, int]
    runs: int
    events: int
    first_tick_seconds: float
    tick_seconds: float
    page_seconds: Mapping[str, float]


def main(arguments: list[str]) -> None:
    """Exits with a message where HOME exists already."""
    if not arguments:
        raise SystemExit("Name a home that does not exist yet.")
    home = Path(arguments[0]).absolute()
    if home.exists():
        raise SystemExit(f"{home} exists; name a home that does not exist yet.")
    days = int(arguments[1]) if arguments[1:] else DAYS
    looks = [asdict(look) for look in Year(home, days).looks()]
    sys.stdout.write(f"{json.dumps(looks)}\n")


class Year:
    """The days of one home, the last of which is yesterday."""

    def __init__(self, home: Path, days: int) -> None:
        first = datetime.now(UTC).date() - timedelta(days=days)
        self._days = [first + timedelta(days=number) for number in range(days)]
        self._settings = Settings(home=home, first_business_date=first)
        self._adapters = Adapters(self._settings)
        self._clock = SimulatedClock(_noon(first))
        self._claims = replace(claims_of(self._adapters), clock=self._clock)
        self._runs = InProcessRuns(
            self._settings,
            resource_overrides={
                "history": SettingsHistory(self._settings, self._clock, self._adapters.incidents)
            },
        )
        self._instance = open_instance(self._settings)

    def looks(self) -> Iterator[Look]:
        """One after each month, and one after the last day."""
        for number, day in enumerate(self._days, 1):
            began = time.monotonic()
            self._live(day)
            if number % 30 == 0 or number == len(self._days):
                look = self._look(number)
                _say(f"{look}")
                yield look
            elif number % 10 == 0:
                _say(f"Day {number}: {time.monotonic() - began:.1f} s.")

    def _live(self, day: date) -> None:
        """Intake, close and pruning of one day."""
        self._clock.at = _noon(day)
        last = self._last_ids()
        with TemporaryDirectory() as folder:
            generate(ROWS, day.toordinal(), day, Path(folder))
            for kind in QUIET_KINDS:
                (path,) = [path for path in Path(folder, kind).iterdir() if "-1." in path.name]
                profile = KINDS[next(known for known in KINDS if known == kind)]
                self._ingest(profile.kind, path)
        closed = self._runs.run("daily_close", partition_key=day.isoformat())
        self._build_marts(closed.run_id or "", day)
        if day.weekday() == PROVED_ON:
            self._runs.run("full_reconciliation", partition_key=day.isoformat(), run_config=PROOF)
        self._runs.run("history_pruning")
        self._date_back(last, day)

    def _ingest(self, kind: Kind, path: Path) -> None:
        """Ingest the file, and make the chargeback files of its batch: no card company is set up to send them to."""
        claimed = self._claims.claim(kind, self._claims.put(kind, DEFAULT_PROGRAM, [path]))
        self._runs.ingest_file(kind, claimed)
        for batch_id in {file.batch_id for file in claimed if file.batch_id}:
            with suppress(RunFailedError):
                self._runs.deliver(batch_id)

    def _build_marts(self, run_id: str, day: date) -> None:
        """The events of a build and of the report after it: materializations, and evaluations of checks."""
        self._instance.report_runless_asset_event(
            dg.AssetMaterialization("daily_report", partition=day.isoformat())
        )
        notes = {"compiled": "x" * MODEL_BYTES}
        for number in range(MODELS):
            self._instance.report_runless_asset_event(
                dg.AssetMaterialization(f"mart_{number}", metadata=notes, partition=day.isoformat())
            )
        for number in range(CHECKS):
            self._instance.report_runless_asset_event(
                dg.AssetCheckEvaluation(
                    asset_key=dg.AssetKey(f"mart_{number % MODELS}"),
                    check_name=f"check_{number}",
                    passed=True,
                    metadata={"run": run_id},
                )
            )

    def _last_ids(self) -> Mapping[str, int]:
        tables = ("event_logs", "asset_check_executions", "runs", "dynamic_partitions")
        return {
            table: int(self._value(f"select coalesce(max(id), 0) from {table}"))  # noqa: S608 - of this list
            for table in tables
        }

    def _date_back(self, last: Mapping[str, int], day: date) -> None:
        """Make what was written since these ids as old as its day."""
        columns = {
            "event_logs": ("timestamp",),
            "asset_check_executions": ("create_timestamp",),
            "runs": ("create_timestamp", "update_timestamp"),
            "dynamic_partitions": ("create_timestamp",),
        }
        with self._connect() as session:
            for table, names in columns.items():
                dated = ", ".join(f"{name} = :at" for name in names)
                session.execute(
                    text(f"update {table} set {dated} where id > :last"),  # noqa: S608 - of this list
                    {"at": _noon(day).replace(tzinfo=None), "last": last[table]},
                )

    def _look(self, days: int) -> Look:
        with self._connect() as session:
            session.execute(text("vacuum analyze"))
        tables = sizes(self._instance)
        return Look(
            days,
            sum(tables.values()),
            tables,
            int(self._value("select count(*) from runs")),
            int(self._value("select count(*) from event_logs")),
            *seconds_of_ticks(self._instance, self._runs.definitions),
            self._page_seconds(),
        )

    def _page_seconds(self) -> Mapping[str, float]:
        """Of what the pages ask the storage."""
        instance = self._instance
        deposits, report = dg.AssetKey("deposits"), dg.AssetKey("balances")
        keys = list(instance.all_asset_keys())
        asked: dict[str, Callable[[], object]] = {
            "partitions of an asset": lambda: instance.get_materialized_partitions(report),
            "newest materializations": lambda: instance.fetch_materializations(deposits, limit=50),
            "assets of the graph": lambda: instance.get_latest_materialization_events(keys),
            "runs": lambda: instance.get_run_records(limit=25),
        }
        found = {}
        for name, ask in asked.items():
            seconds = []
            for _ in range(ROUNDS):
                began = time.monotonic()
                ask()
                seconds.append(time.monotonic() - began)
            found[name] = median(seconds)
        return found

    def _value(self, query: str) -> Any:
        with self._connect() as session:
            return session.execute(text(query)).scalar_one()

    def _connect(self) -> Any:
        return self._instance.run_storage.connect()  # type: ignore[attr-defined] # of PostgreSQL


def _noon(day: date) -> datetime:
    return datetime.combine(day, clock_time(12), UTC)


def _say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()
