"""Ingests a program with merchants near a monitoring programme's line and ill providers; reads where they stand.

Belongs here: the steps, in order. Where they must stand is in simulation.monitored_merchant and
simulation.provider_health_truth.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cardops.bootstrap import Adapters
from cardops.rules.intake.files import Kind
from orchestration.cli.known_programs import ensure_program
from orchestration.composition import ingest_paths
from orchestration.demo.answers import deliver_undelivered
from orchestration.demo.books import DemoBooks
from orchestration.demo.kpis import read_kpi, read_monitoring
from orchestration.local.in_process import InProcessRuns
from simulation.ill_provider import attempts_until, write_file
from simulation.monitored_merchant import Month, sales_attempts, write_files
from simulation.provider_health_truth import provider_health_truth


@dataclass(frozen=True, slots=True)
class MonitoredMerchants:
    """One program whose cases are of that month; ingesting them again changes nothing."""

    adapters: Adapters
    program: str
    month: Month

    def ingest(self, folder: Path, runs: InProcessRuns) -> list[str]:
        """Sales first, then what refers to them; the checks that failed."""
        ensure_program(self.adapters, self.program)
        files = write_files(folder, self.month)
        attempts = write_file(folder, self.month.last)
        for kind, path in files.items():
            paths = [path, attempts] if kind == "transactions" else [path]
            ingest_paths(self.adapters, Kind(kind), self.program, paths)
        return deliver_undelivered(self.adapters, DemoBooks(self.adapters, self.program), runs)

    def found(self) -> dict[str, dict[str, Any]]:
        """`merchant/programme` -> its figures, nearest to the line first."""
        with self.adapters.warehouse.reading() as session:
            return read_monitoring(session, self.program, self.month.first)

    def expected_health(self) -> dict[str, Any]:
        """Of the attempts of providers, and of the merchants' sales, which name no provider."""
        some = (*attempts_until(self.month.last), *sales_attempts(self.month))
        return provider_health_truth(some)

    def health(self) -> dict[str, Any]:
        """Each provider's days as the mart has them."""
        with self.adapters.warehouse.reading() as session:
            return read_kpi(session, self.program, "provider_health")
