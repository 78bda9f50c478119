"""Disputed money given back to users: policies of programs, postings and notices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import date

    from cardops.rules.chargebacks.disputes import DisputeKey
    from cardops.rules.provisional.policies import ProvisionalPolicy
    from cardops.rules.provisional.postings import DuePosting, PostingResult
from cardops.rules.provisional.records import (
    CreditRecord,
    Decision,
    LedgerEntry,
    NoticeKind,
)

# Program, user and currency.
Account = tuple[str, str, str]


class ProvisionalPolicies(Protocol):
    """Changes are added, never altered."""

    def set(self, policy: ProvisionalPolicy) -> None:
        """Add a policy to the program's."""

    def all(self) -> Mapping[str, Sequence[ProvisionalPolicy]]:
        """Program -> its policies in the order in which they were set."""


class ProvisionalLedger(Protocol):
    """Postings of disputes: one credit each, and one end of it."""

    def post(self, posting: DuePosting) -> PostingResult:
        """Post it, unless it was posted before; safe to repeat, and beside another process.

        A credit, and what is added to one that is made final, stay within what the ledger shows of
        the purchase at that moment. Taking back posts what the credit was, or the part of it that
        was decided, even if the balance becomes negative. A decision must still be the last one.
        """

    def records(self, keys: Collection[DisputeKey]) -> Mapping[DisputeKey, CreditRecord]:
        """What was posted and sent for each of these disputes that has any of it."""

    def standing(self, program: str) -> Collection[DisputeKey]:
        """Disputes of the program with a credit and no end."""

    def credited(
        self, program: str, transaction_ids: Collection[str]
    ) -> Mapping[str, Mapping[DisputeKey, int]]:
        """Transaction -> its disputes with what they were credited and keep, in minor units."""

    def entries(self, program: str, transaction_ids: Collection[str]) -> Mapping[str, LedgerEntry]:
        """Transaction -> what the ledger has of it; one without a decision is absent."""

    def balances(self, accounts: Collection[Account]) -> Mapping[Account, int]:
        """Account (program, user, currency) -> what is available; one that does not exist is absent."""

    def record_notice(
        self, key: DisputeKey, kind: NoticeKind, sent_on: date, recorded_by: str
    ) -> None:
        """Record that the user was told; the latest of a kind counts."""

    def decide(self, key: DisputeKey, decision: Decision) -> bool:
        """Record a decision under its number.

        False where that number is taken or what it is about was posted meanwhile; nothing is
        recorded then.
        """
