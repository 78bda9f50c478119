"""Reads what a demo left in the stores: balances, lake, deliveries, marts.

Belongs here: reading. Each figure comes from where a user would find it, not from what the demo
did. orchestration.demo.truth says what the figures should be.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from cardops.bootstrap import Adapters
from cardops.rules.deliveries.records import ChargebackFileRecord, DeliveryState
from cardops.rules.intake.files import Kind
from cardops.services.reconciliation.reconciling import recorded_breaks
from orchestration.demo.kpis import FoundAnswers, read_answers, read_kpis
from simulation.card_companies import CardCompanies
from simulation.truth import SIMULATED_KINDS


@dataclass(frozen=True, slots=True)
class DemoBooks:
    """Reads the figures of one program from one home."""

    adapters: Adapters
    program: str

    def balances(self) -> dict[str, dict[str, dict[str, int]]]:
        """User -> currency -> available, held and ledger balance, as the store has them."""
        balances: dict[str, dict[str, dict[str, int]]] = {}
        for chunk in self.adapters.deposit_ledger.accounts():
            for row in chunk.filter(pl.col("program") == self.program).iter_rows(named=True):
                available, held = row["available_minor"], row["held_minor"]
                amounts = {"available": available, "held": held, "ledger": available + held}
                balances.setdefault(row["user_id"], {})[row["currency"]] = amounts
        return balances

    def lake_rows(self) -> dict[str, int]:
        """Rows of the program in the lake, by kind."""
        return {kind: self._rows_of(kind) for kind in SIMULATED_KINDS}

    def records(self) -> list[ChargebackFileRecord]:
        """The program's chargeback files of all batches."""
        records = self.adapters.delivery_ledger.all()
        return [record for record in records if record.program == self.program]

    def received(self, records: Sequence[ChargebackFileRecord]) -> dict[str, dict[str, Any]]:
        """Rows and amounts by card company, of the files that arrived there complete."""
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
        """Breaks that the close of that date found and recorded. Raises NotReconciledError."""
        return recorded_breaks(business_date, self.adapters.lake).height

    def example(self, status: str) -> str:
        """The first response with that status, as the partner received it; empty without one."""
        return self.adapters.first_response(self.program, status)

    def kpis(self) -> dict[str, dict[str, Any]]:
        """Every KPI as the marts have it."""
        with self.adapters.warehouse.reading() as session:
            return read_kpis(session, self.program)

    def answers(self) -> FoundAnswers:
        """Days to respond as the marts have them."""
        with self.adapters.warehouse.reading() as session:
            return read_answers(session, self.program)

    def disputes(self) -> dict[str, dict[str, int]]:
        """Disputes by card company as the mart has them: all, open ones, and how often one reopened."""
        with self.adapters.warehouse.reading() as session:
            found = session.execute(
                "select network, count(*), count(*) filter (where is_open), "
                "sum(reopened_count)::bigint from fct_disputes where program = ? group by network",
                [self.program],
            ).fetchall()
        return {
            network: {"disputes": disputes, "open": is_open, "reopened": reopened}
            for network, disputes, is_open, reopened in found
        }

    def rings(self) -> dict[str, Any]:
        """Fraud rings by their members, and users of each hub by kind, as the marts have them."""
        with self.adapters.warehouse.reading() as session:
            found = session.execute(
                "select string_agg(members.user_id, ' ' order by members.user_id), "
                "any_value(rings.transaction_count), any_value(rings.dispute_count), "
                "any_value(rings.cycle_count), rings.ring_id "
                "from fct_fraud_rings as rings "
                "inner join fct_fraud_ring_members as members using (ring_id) "
                "where rings.program = ? group by rings.ring_id",
                [self.program],
            ).fetchall()
            money = session.execute(
                "select ring_id, currency, disputed_amount_minor::bigint "
                "from fct_fraud_ring_money where program = ? and dispute_count > 0 order by 1, 2",
                [self.program],
            ).fetchall()
            hubs = session.execute(
                "select identifier_kind, list(user_count order by user_count) "
                "from fct_fraud_ring_hubs where program = ? group by 1 order by 1",
                [self.program],
            ).fetchall()
        return {
            "rings": {
                members: {
                    "transactions": transactions,
                    "disputes": disputes,
                    "cycles": cycles,
                    "disputed": {code: minor for ring, code, minor in money if ring == ring_id},
                }
                for members, transactions, disputes, cycles, ring_id in found
            },
            "hubs": dict(hubs),
        }

    def _rows_of(self, kind: Kind) -> int:
        table = self.adapters.lake.scan(kind)
        if table is None:
            return 0
        own = table.filter(pl.col("program") == self.program)
        return int(own.select(pl.len()).collect().item())

    def _is_whole(self, record: ChargebackFileRecord) -> bool:
        """Whether the card company's copy and its control file have the bytes that were made."""
        inbox = CardCompanies(self.adapters.settings.home).inbox(record.destination)
        content, control = inbox / record.file_name, inbox / f"{record.file_name}.ctl"
        if not content.exists() or not control.exists():
            return False
        return (_sha256(content.read_bytes()), _sha256(control.read_bytes())) == (
            record.content_sha256,
            record.control_sha256,
        )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
