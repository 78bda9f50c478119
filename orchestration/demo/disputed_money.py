"""Gives disputed money back under Regulation E: a few disputes, from their files to their ends.

Belongs here: the steps, in order. What must become of the money is in simulation.disputed_money.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from cardops.bootstrap import Adapters
from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.chargebacks.filing import DisputePolicy
from cardops.rules.intake.files import Kind
from cardops.rules.provisional.policies import PolicyName, ProvisionalPolicy, completed
from cardops.rules.provisional.records import DecisionKind, NoticeKind
from cardops.services.provisional.deciding import DecisionRequest, ProvisionalDecisions
from orchestration.cli.known_programs import ensure_program
from orchestration.composition import ingest_paths, provisional_credits_of
from orchestration.demo.answers import deliver_undelivered
from orchestration.demo.books import DemoBooks
from orchestration.demo.filed_lines import waiting_rows
from orchestration.local.in_process import InProcessRuns
from simulation.disputed_money import HELD_FOR, PAID, write_files

BY: Final = "demo"
# More than the two business days between the notice and taking back.
NOTICE_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class DisputedMoney:
    """One program whose disputes are as of `day`; doing it again changes nothing."""

    adapters: Adapters
    program: str
    day: date

    def give_back(self, folder: Path, runs: InProcessRuns) -> list[str]:
        """Ingest, credit, decide and take back; the checks that failed."""
        ensure_program(self.adapters, self.program)
        if self.program not in self.adapters.provisional_policies.all():
            since_on = self.day - timedelta(days=365)
            policy = ProvisionalPolicy(self.program, PolicyName.REGULATION_E, since_on, BY)
            self.adapters.provisional_policies.set(completed(policy))
        ledger = self.adapters.intake_ledger
        if ledger.dispute_policies(self.program).get(HELD_FOR) != DisputePolicy.HOLD:
            ledger.set_dispute_policy(self.program, HELD_FOR, str(DisputePolicy.HOLD), set_by=BY)
        files = write_files(folder, self.day)
        for kind in ("deposits", "transactions"):
            self._ingest(Kind(kind), files[kind])
        self._ingest(Kind("chargebacks"), files["chargebacks"])
        books = DemoBooks(self.adapters, self.program)
        failed = deliver_undelivered(self.adapters, books, runs)
        credits_of = provisional_credits_of(self.adapters)
        list(credits_of.post_due(self.day, self.program))
        self._ingest(Kind("transactions"), files["refunds"])
        for item in PAID:
            key = DisputeKey(self.program, "visa", item.case_number)
            if item.is_refunded:
                request = DecisionRequest(
                    key, DecisionKind.REJECTED, BY, "the merchant refunded it"
                )
                ProvisionalDecisions(credits_of).decide(request, self.day)
            self._tell(key, is_taken_back=item.is_refunded)
        list(credits_of.post_due(self.day + timedelta(days=NOTICE_DAYS), self.program))
        return failed

    def found(self) -> dict[str, dict[str, Any]]:
        """Case -> state and kept amount as the mart has them, and the user's balance in the store."""
        balances = DemoBooks(self.adapters, self.program).balances()
        with self.adapters.warehouse.reading() as session:
            rows = session.execute(
                "select case_number, state, kept_amount_minor, user_id from fct_provisional_credits "
                "where program = ? and credited_on is not null",
                [self.program],
            ).fetchall()
        return {
            case: {"state": state, "kept": kept, "balance": balances[user]["USD"]["ledger"]}
            for case, state, kept, user in rows
        }

    def filed(self) -> dict[str, Any]:
        """What the card company received of the disputes, and what waited at the close, by reason."""
        books = DemoBooks(self.adapters, self.program)
        return {
            "received": books.received(books.records()),
            "waiting": waiting_rows(self.adapters, self.program),
        }

    def _ingest(self, kind: Kind, path: Path) -> None:
        ingest_paths(self.adapters, kind, self.program, [path])

    def _tell(self, key: DisputeKey, *, is_taken_back: bool) -> None:
        today = self.adapters.database_clock.now().date()
        record = self.adapters.provisional_ledger.record_notice
        record(key, NoticeKind.CREDIT, today, BY)
        record(key, NoticeKind.RESULT, today, BY)
        if is_taken_back:
            record(key, NoticeKind.TAKING_BACK, self.day, BY)
