"""Each dispute's credit is posted once and ends once, whoever posts at the same time."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from threading import Thread

import polars as pl
import psycopg
import pytest

from cardops.adapters.postgresql.authorizations.authorizations import PostgresAuthorizations
from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.reconciliation.books import PostgresBooks
from cardops.adapters.postgresql.sessions import open_pool
from cardops.rules.provisional.postings import PostingOutcome, PostingResult
from cardops.rules.provisional.records import LedgerEntry, NoticeKind, PostingKind
from tests.factories.authorizations import a_request
from tests.factories.disputed_purchases import DISPUTED_ON, DisputeDesk, a_posting
from tests.factories.waiting import wait_until
from tests.oracles.ledger_totals import assert_books_add_up

pytestmark = pytest.mark.database
FINAL, TAKEN_BACK = PostingKind.FINAL, PostingKind.TAKEN_BACK


@pytest.fixture
def desk(module_database_url: str, request: pytest.FixtureRequest) -> Iterator[DisputeDesk]:
    """A program of its own, with a user who had 50.00 and bought for 10.00."""
    desk = DisputeDesk(module_database_url, f"p{abs(hash(request.node.name))}")
    desk.has_deposit("ana", 50_00)
    desk.spends("ana", "t-1", 10_00)
    yield desk
    assert_books_add_up(module_database_url, may_be_negative=True)


def test_repeated_posting_is_known(desk: DisputeDesk) -> None:
    first = desk.ledger.post(a_posting(desk))
    again = desk.ledger.post(a_posting(desk))

    assert first == PostingResult(PostingOutcome.POSTED, 50_00)
    assert again == PostingResult(PostingOutcome.POSTED_BEFORE)


def test_credit_ends_once(desk: DisputeDesk) -> None:
    desk.ledger.post(a_posting(desk))

    ends = [desk.ledger.post(a_posting(desk, kind, amount=0)) for kind in (FINAL, TAKEN_BACK)]

    assert [end.outcome for end in ends] == [PostingOutcome.POSTED, PostingOutcome.POSTED_BEFORE]


def test_end_without_a_credit_posts_nothing(desk: DisputeDesk) -> None:
    end = desk.ledger.post(a_posting(desk, TAKEN_BACK))

    assert end.outcome is PostingOutcome.ACCOUNT_MISSING
    assert desk.postings() == []


def test_what_was_given_is_taken_back_from_the_same_account(desk: DisputeDesk) -> None:
    desk.has_deposit("bea", 50_00)
    desk.ledger.post(a_posting(desk, amount=7_00))

    desk.ledger.post(a_posting(desk, TAKEN_BACK, amount=99_00, user="bea"))

    assert desk.postings()[1:] == [("c-1", "credit_taken_back", 7_00)]
    assert (desk.available("ana"), desk.available("bea")) == (40_00, 50_00)


def test_credits_together_never_exceed_the_purchase(desk: DisputeDesk) -> None:
    desk.ledger.post(a_posting(desk, amount=6_00))

    second = desk.ledger.post(a_posting(desk, case="c-2", amount=5_00))

    assert second.outcome is PostingOutcome.BEYOND_PURCHASE
    assert desk.postings() == [("c-1", "provisional_credit", 6_00)]


def test_final_credit_never_exceeds_the_purchase(desk: DisputeDesk) -> None:
    desk.ledger.post(a_posting(desk, amount=6_00))

    end = desk.ledger.post(a_posting(desk, FINAL, amount=4_01))

    assert end.outcome is PostingOutcome.BEYOND_PURCHASE
    assert desk.ledger.post(a_posting(desk, FINAL, amount=4_00)).available_minor == 50_00


def test_refund_since_the_facts_were_read_is_not_given_back_again(desk: DisputeDesk) -> None:
    desk.is_refunded("ana", "t-1", 1)

    assert desk.ledger.post(a_posting(desk)).outcome is PostingOutcome.BEYOND_PURCHASE


def test_account_that_does_not_exist_is_not_opened(desk: DisputeDesk) -> None:
    found = desk.ledger.post(a_posting(desk, user="stranger"))

    assert found.outcome is PostingOutcome.ACCOUNT_MISSING


def test_credit_that_no_balance_can_hold_is_refused(desk: DisputeDesk) -> None:
    huge = 2**63 - 1
    found = desk.ledger.post(
        a_posting(desk, amount=huge, purchase=huge, transaction_id="elsewhere")
    )

    assert found.outcome is PostingOutcome.OUT_OF_RANGE
    assert desk.postings() == []


def test_two_workers_at_once_post_each_step_once(desk: DisputeDesk) -> None:
    postings = [
        a_posting(desk, kind, case=f"c-{number}", amount=10)
        for number in range(8)
        for kind in (PostingKind.CREDIT, TAKEN_BACK if number % 2 else FINAL)
    ]
    postings = [
        posting if posting.kind is PostingKind.CREDIT else a_posting(
            desk, posting.kind, case=posting.key.case_number, amount=0
        )
        for posting in postings
    ]  # fmt: skip

    def post_all(_worker: int) -> list[PostingResult]:
        return [desk.ledger.post(posting) for posting in postings]

    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(post_all, range(2)))

    outcomes = [{first.outcome, second.outcome} for first, second in zip(*both, strict=True)]
    assert outcomes == [{PostingOutcome.POSTED, PostingOutcome.POSTED_BEFORE}] * 16
    assert desk.available("ana") == 40_00 + 4 * 10


def test_posting_beside_another_change_takes_the_next_number(desk: DisputeDesk) -> None:
    change = (
        "update accounts set available_minor = available_minor - 100, ledger_seq = ledger_seq + 1"
        " where program = %s and user_id = 'ana'"
    )
    with connect(desk.url, autocommit=False) as other:
        other.execute(change, [desk.program])
        results = beside(desk.url, other, lambda: desk.ledger.post(a_posting(desk)))

    assert [result.outcome for result in results] == [PostingOutcome.POSTED]
    with connect(desk.url) as session:
        numbers = session.execute(
            "select a.ledger_seq, p.ledger_seq from accounts as a"
            " join provisional_postings as p using (program, user_id) where program = %s",
            [desk.program],
        ).fetchall()
        session.execute(change.replace("- 100", "+ 100"), [desk.program])
    assert numbers == [(4, 4)]


def test_dispute_posted_to_another_account_meanwhile_is_posted_once(desk: DisputeDesk) -> None:
    desk.has_deposit("bea", 50_00)
    insert = (
        "insert into provisional_postings select program, network, case_number, step, kind,"
        " transaction_id, 'bea', currency, amount_minor, policy, due_on, 2, now()"
        " from provisional_postings where program = %s and case_number = 'c-1'"
    )
    desk.ledger.post(a_posting(desk, amount=5))
    with connect(desk.url, autocommit=False) as other:
        text = insert.replace("case_number, step", "'c-2', step", 1)
        other.execute(text.encode(), [desk.program])
        other.execute(
            "update accounts set available_minor = available_minor + 5, ledger_seq = 2"
            " where program = %s and user_id = 'bea'",
            [desk.program],
        )
        results = beside(
            desk.url, other, lambda: desk.ledger.post(a_posting(desk, case="c-2", amount=5))
        )

    assert [result.outcome for result in results] == [PostingOutcome.POSTED_BEFORE]
    assert desk.available("ana") == 40_05


def test_records_and_entries_are_found_by_key(desk: DisputeDesk) -> None:
    desk.ledger.post(a_posting(desk, amount=4_00))
    for sent_on in (DISPUTED_ON, date(2026, 9, 30)):
        desk.notices("c-1", NoticeKind.CREDIT, sent_on)
    desk.is_refunded("ana", "t-1", 3_00)

    keys = [desk.key("c-1"), desk.key("c-9")]
    (record,) = desk.ledger.records(keys).values()

    assert record.credit is not None
    assert record.credit.amount_minor == 4_00
    assert record.notices == {NoticeKind.CREDIT: date(2026, 9, 30)}
    assert desk.ledger.credited(desk.program, ["t-1", "t-9"]) == {"t-1": {keys[0]: 4_00}}
    entries = desk.ledger.entries(desk.program, ["t-1", "t-9"])
    assert entries == {"t-1": LedgerEntry("ana", "USD", 7_00)}
    accounts = [(desk.program, user, "USD") for user in ("ana", "stranger")]
    assert desk.ledger.balances(accounts) == {accounts[0]: 47_00}


async def test_credits_beside_decisions_never_let_a_permit_overdraw(
    desk: DisputeDesk,
) -> None:
    """Decisions for more than there is, while credits come and are taken back again."""
    pool = await open_pool(desk.url)
    store = PostgresAuthorizations(pool)

    async def decide(number: int) -> None:
        amount = 3_00 + number % 7
        request = a_request(
            f"more-{number}", user_id="ana", amount_minor=amount, program=desk.program
        )
        await store.decide([request])

    def give_and_take() -> None:
        for number in range(8):
            case = f"c-{number}"
            desk.ledger.post(a_posting(desk, case=case, amount=60))
            desk.ledger.post(a_posting(desk, TAKEN_BACK, case=case))

    try:
        await asyncio.gather(
            asyncio.to_thread(give_and_take), *(decide(number) for number in range(24))
        )
    finally:
        pool.terminate()

    with connect(desk.url) as session:
        permits = session.execute(
            "select min(remaining_minor), count(*) from decisions"
            " where program = %s and status = 'PERMIT'",
            [desk.program],
        ).fetchone()
    assert permits is not None
    assert permits[0] >= 0
    assert permits[1] > 8
    breaks = PostgresBooks(desk.url).breaks(datetime.now(UTC).date())
    found = set(breaks.filter(pl.col("program") == desk.program)["check_name"])
    # The deposit of this test is from no file.
    assert found <= {"deposits_have_their_intake_file", "deposits_agree_with_their_content_hash",
                     "decisions_are_the_hashed_requests"}  # fmt: skip


def beside(
    url: str, other: psycopg.Connection, post: Callable[[], PostingResult]
) -> list[PostingResult]:
    """Posts in a thread, which waits for the other session's locks until that one commits."""
    results: list[PostingResult] = []
    thread = Thread(target=lambda: results.append(post()))
    thread.start()
    with connect(url) as watch:
        waits = (
            "select count(*) from pg_stat_activity where datname = current_database()"
            " and wait_event_type = 'Lock'"
        )
        wait_until(lambda: watch.execute(waits).fetchone() == (1,))
    other.commit()
    thread.join()
    return results
