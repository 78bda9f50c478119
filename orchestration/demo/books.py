"""What a demo left in the stores, read back for comparison: balances, lake, deliveries, marts.

Belongs here: measuring. Each figure comes from where a user would find it, not from what the demo
did. What it should be is in orchestration.demo.truth.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from cardops.adapters.object_stores.opening import open_store
from cardops.adapters.postgresql.accounts.deposits import PostgresDepositLedger
from cardops.adapters.postgresql.connection import connect, connect_info
from cardops.adapters.postgresql.deliveries import PostgresDeliveryLedger
from cardops.adapters.postgresql.reconciliation.books import PostgresBooks
from cardops.adapters.warehouse.duckdb_warehouse import DuckDbWarehouse
from cardops.adapters.warehouse.lake import ParquetLake
from cardops.adapters.warehouse.lake_books import DuckDbLakeBooks
from cardops.contracts.kinds.registry import KINDS
from cardops.rules.deliveries.records import ChargebackFileRecord, DeliveryState
from cardops.rules.intake.files import Kind
from cardops.services.reconciliation.reconciling import ReconciliationService
from cardops.settings import Settings
from simulation.card_companies import CardCompanies


@dataclass(frozen=True, slots=True)
class DemoBooks:
    """Reads the figures of one program out of one home."""

    settings: Settings
    program: str

    def balances(self) -> dict[str, dict[str, dict[str, int]]]:
        """User -> currency -> available, held and ledger balance, as the store has them."""
        balances: dict[str, dict[str, dict[str, int]]] = {}
        for chunk in PostgresDepositLedger(self._url).accounts():
            for row in chunk.filter(pl.col("program") == self.program).iter_rows(named=True):
                available, held = row["available_minor"], row["held_minor"]
                amounts = {"available": available, "held": held, "ledger": available + held}
                balances.setdefault(row["user_id"], {})[row["currency"]] = amounts
        return balances

    def lake_rows(self) -> dict[str, int]:
        """Rows of the program in the lake, by kind."""
        return {kind: self._rows_of(kind) for kind in KINDS}

    def records(self) -> list[ChargebackFileRecord]:
        """The program's chargeback files, all batches."""
        every = PostgresDeliveryLedger(self._url).all()
        return [one for one in every if one.program == self.program]

    def received(self, records: Sequence[ChargebackFileRecord]) -> dict[str, dict[str, Any]]:
        """Rows and money by card company of files that lie there whole; others do not count."""
        rows: Counter[str] = Counter()
        totals: dict[str, Counter[str]] = {}
        for record in records:
            if record.state is DeliveryState.DELIVERED and self._is_whole(record):
                rows[record.network] += record.row_count
                totals.setdefault(record.network, Counter()).update(record.totals_minor)
        return {
            network: {"rows": rows[network], "totals": dict(sorted(totals[network].items()))}
            for network in totals
        }

    def breaks(self, business_date: date) -> int:
        """Breaks that reconciliation finds on that date."""
        service = ReconciliationService(
            PostgresBooks(self._url), self._lake, DuckDbLakeBooks(self._lake)
        )
        return service.reconcile(business_date).breaks.height

    def example(self, status: str) -> str:
        """The first answer of that status, as the partner got it; empty where there is none."""
        with connect(self._url) as session:
            row = session.execute(
                "select answer from decisions where program = %s and status = %s"
                " order by decided_at, transaction_id limit 1",
                [self.program, status],
            ).fetchone()
        return bytes(row[0]).decode() if row else ""

    def kpis(self) -> dict[str, dict[str, dict[str, int]]]:
        """Both rates as the marts have them."""
        with DuckDbWarehouse(self.settings.home).reading() as session:
            disputed = session.execute(
                "select payment_method, disputed_transaction_count, settled_transaction_count "
                "from fct_chargeback_rate_per_payment_method where program = ?",
                [self.program],
            ).fetchall()
            failed = session.execute(
                "select payment_method, failed_count, attempt_count "
                "from fct_payment_failure_rate_per_payment_method where program = ?",
                [self.program],
            ).fetchall()
        return {
            "chargeback_rate": {
                method: {"disputed": part, "settled": whole} for method, part, whole in disputed
            },
            "payment_failure_rate": {
                method: {"failed": part, "attempts": whole} for method, part, whole in failed
            },
        }

    def _rows_of(self, kind: Kind) -> int:
        table = self._lake.scan(kind)
        if table is None:
            return 0
        own = table.filter(pl.col("program") == self.program)
        return int(own.select(pl.len()).collect().item())

    def _is_whole(self, record: ChargebackFileRecord) -> bool:
        """The card company's own copy, byte for byte, with its control file."""
        inbox = CardCompanies(self.settings.home).inbox(record.destination)
        content, control = inbox / record.file_name, inbox / f"{record.file_name}.ctl"
        if not content.exists() or not control.exists():
            return False
        return (_sha256(content.read_bytes()), _sha256(control.read_bytes())) == (
            record.content_sha256,
            record.control_sha256,
        )

    @property
    def _url(self) -> str:
        return connect_info(self.settings).url

    @property
    def _lake(self) -> ParquetLake:
        store = open_store(self.settings.store_url("lake"))
        return ParquetLake(store, self.settings.home / "lake-mirror")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
