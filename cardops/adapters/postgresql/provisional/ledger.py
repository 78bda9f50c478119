"""ProvisionalLedger on PostgreSQL: each posting is a transaction of its own.

Belongs here: the order of a posting's statements. Their SQL is in posting_sql.py, look-ups in
lookups.py.
"""

from collections.abc import Collection, Mapping
from datetime import date
from functools import partial
from typing import Any, Final

import psycopg
from psycopg import errors

from cardops.adapters.postgresql.provisional import lookups
from cardops.adapters.postgresql.provisional.posting_sql import (
    ACCOUNT_OF_CREDIT,
    LAST_DECISION,
    LOCK_ACCOUNT,
    LOCK_DECISION,
    POST_CREDIT,
    POST_END,
)
from cardops.adapters.postgresql.transactions import run_in_transaction
from cardops.ports.provisional import Account
from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.provisional.postings import DuePosting, PostingOutcome, PostingResult
from cardops.rules.provisional.records import (
    CreditRecord,
    Decision,
    LedgerEntry,
    NoticeKind,
    PostingKind,
)

_RECORD_NOTICE: Final = """
insert into provisional_notices (
    program, network, case_number, kind, notice_number, sent_on, recorded_by
)
select %(program)s, %(network)s, %(case_number)s, %(kind)s, coalesce(max(notice_number), 0) + 1,
    %(sent_on)s, %(recorded_by)s
from provisional_notices
where program = %(program)s and network = %(network)s and case_number = %(case_number)s
    and kind = %(kind)s
on conflict (program, network, case_number, kind, notice_number) do nothing
returning notice_number
"""
# Under the lock of the decision that it replaces, so that no posting follows that one meanwhile.
_DECIDE: Final = """
insert into provisional_decisions (
    program, network, case_number, decision_number, step, reason, since_on, judged_minor, decision,
    amount_minor, until_on, decided_by, why, decided_on
)
select %(program)s, %(network)s, %(case_number)s, %(number)s, %(step)s, %(reason)s, %(since_on)s,
    %(judged_minor)s, %(kind)s, %(amount_minor)s, %(until_on)s, %(decided_by)s, %(why)s,
    %(decided_on)s
where not exists (
    select from provisional_postings
    where program = %(program)s and network = %(network)s and case_number = %(case_number)s
        and step = %(step)s -- guard: decision-before-posting
)
on conflict (program, network, case_number, decision_number) do nothing
returning decision_number
"""


class PostgresProvisionalLedger:
    """Implements cardops.ports.ProvisionalLedger. Holds no session between calls."""

    def __init__(self, url: str) -> None:
        self._url = url

    def post(self, posting: DuePosting) -> PostingResult:
        """Post it, unless it was posted before; safe to repeat, and beside another process."""
        try:
            return run_in_transaction(self._url, partial(_post, posting=posting))
        except errors.NumericValueOutOfRange:
            return PostingResult(PostingOutcome.OUT_OF_RANGE)

    def records(self, keys: Collection[DisputeKey]) -> Mapping[DisputeKey, CreditRecord]:
        """What was posted and sent for each of these disputes that has any of it."""
        return run_in_transaction(self._url, partial(lookups.records, keys=list(keys)))

    def standing(self, program: str) -> Collection[DisputeKey]:
        """Disputes of the program with a credit and no end."""
        return run_in_transaction(self._url, partial(lookups.standing, program=program))

    def credited(
        self, program: str, transaction_ids: Collection[str]
    ) -> Mapping[str, Mapping[DisputeKey, int]]:
        """Transaction -> its disputes with what they were credited and keep, in minor units."""
        return run_in_transaction(
            self._url, partial(lookups.credited, program=program, ids=list(transaction_ids))
        )

    def entries(self, program: str, transaction_ids: Collection[str]) -> Mapping[str, LedgerEntry]:
        """Transaction -> what the ledger has of it; one without a decision is absent."""
        return run_in_transaction(
            self._url, partial(lookups.entries, program=program, ids=list(transaction_ids))
        )

    def balances(self, accounts: Collection[Account]) -> Mapping[Account, int]:
        """Account (program, user, currency) -> what is available; one that does not exist is absent."""
        return run_in_transaction(self._url, partial(lookups.balances, accounts=list(accounts)))

    def record_notice(
        self, key: DisputeKey, kind: NoticeKind, sent_on: date, recorded_by: str
    ) -> None:
        """Record that the user was told; the latest of a kind counts."""
        values = {**_key_values(key), "kind": kind, "sent_on": sent_on, "recorded_by": recorded_by}
        # Another process may take the same number at this moment.
        while not run_in_transaction(
            self._url, lambda session: session.execute(_RECORD_NOTICE, values).fetchall()
        ):
            pass

    def decide(self, key: DisputeKey, decision: Decision) -> bool:
        """Record a decision under its number; False where it is taken, or the step posted."""
        facts = decision.facts
        values = {
            **_key_values(key),
            "number": decision.number,
            "decision_number": decision.number - 1,
            "step": facts.step,
            "reason": facts.reason,
            "since_on": facts.since_on,
            "judged_minor": facts.amount_minor,
            "kind": decision.kind,
            "amount_minor": decision.amount_minor,
            "until_on": decision.until_on,
            "decided_by": decision.decided_by,
            "why": decision.why,
            "decided_on": decision.decided_on,
        }
        return bool(run_in_transaction(self._url, partial(_decide, values=values)))


def _decide(session: psycopg.Connection, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    session.execute(LOCK_DECISION, values)
    return session.execute(_DECIDE, values).fetchall()


def _post(session: psycopg.Connection, posting: DuePosting) -> PostingResult:
    is_credit = posting.kind is PostingKind.CREDIT
    values = {
        **_key_values(posting.key),
        "step": "credit" if is_credit else "end",
        "kind": posting.kind,
        "transaction_id": posting.transaction_id,
        "user_id": posting.user_id,
        "currency": posting.currency,
        "amount_minor": posting.amount_minor,
        "purchase_minor": posting.purchase_minor,
        "policy": posting.policy,
        "due_on": posting.due_on,
        "decision_number": posting.decision_number,
    }
    # The id comes before the instant of the posting, so that a day can be closed by transaction ids.
    session.execute("select pg_current_xact_id()")
    if posting.decision_number is not None:
        session.execute(LOCK_DECISION, values)
        last = session.execute(LAST_DECISION, values).fetchone()
        if last != (posting.decision_number,):  # guard: last-decision
            return PostingResult(PostingOutcome.DECISION_REPLACED)
    if not is_credit:
        account = session.execute(ACCOUNT_OF_CREDIT, values).fetchone()
        if account is None:
            return PostingResult(PostingOutcome.ACCOUNT_MISSING)
        values |= {"user_id": account[0], "currency": account[1]}
    if session.execute(LOCK_ACCOUNT, values).fetchone() is None:
        return PostingResult(PostingOutcome.ACCOUNT_MISSING)
    row = session.execute(POST_CREDIT if is_credit else POST_END, values).fetchone()
    return _result(row)


def _result(row: tuple[Any, ...] | None) -> PostingResult:
    is_complete, available_minor, is_posted_before = row or (False, None, False)
    if not is_complete:  # guard: provisional-complete
        # Posted at this moment to another account: only a new statement sees that posting.
        raise errors.SerializationFailure("the dispute was posted by another process meanwhile")
    if available_minor is not None:
        return PostingResult(PostingOutcome.POSTED, available_minor)
    return PostingResult(
        PostingOutcome.POSTED_BEFORE if is_posted_before else PostingOutcome.BEYOND_PURCHASE
    )


def _key_values(key: DisputeKey) -> dict[str, Any]:
    return {"program": key.program, "network": key.network, "case_number": key.case_number}
