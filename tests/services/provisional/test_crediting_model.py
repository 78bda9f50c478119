"""Whatever is told of disputes, in whatever order: what is given back equals an obvious model's."""

from collections import Counter
from datetime import date, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cardops.adapters.postgresql.transactions import one_session
from cardops.rules.provisional.records import NoticeKind
from tests.factories.disputed_purchases import DisputeDesk
from tests.oracles.ledger_totals import assert_books_add_up
from tests.oracles.provisional_model import ProvisionalModel

pytestmark = pytest.mark.database
FIRST_DAY = date(2026, 9, 2)
PURCHASES = {"t-1": 40_00, "t-2": 15_00}
# A case is of one purchase for ever; the first three share theirs, so they are partial disputes.
CASES = {"c-1": "t-1", "c-2": "t-1", "c-3": "t-1", "c-4": "t-2"}
PROGRAMS = count()

# Told once more than anything else, because a dispute has several steps.
ACTIONS = st.one_of(
    st.tuples(
        st.just("tell"), st.sampled_from(sorted(CASES)), st.sampled_from(["open", "won", "lost"]),
        st.sampled_from([10_00, 15_00, 40_00]),
    ),
    st.tuples(st.just("repeat"), st.sampled_from(sorted(CASES))),
    st.tuples(st.just("notify"), st.sampled_from(sorted(CASES))),
    st.tuples(st.just("wait"), st.sampled_from([1, 2, 5, 14, 45])),
    st.tuples(st.just("post")),
    st.tuples(st.just("refund"), st.sampled_from(sorted(PURCHASES)), st.sampled_from([1_00, 15_00])),
    st.tuples(st.just("spend"), st.just(20_00)),
)  # fmt: skip


class Run:
    """One program under Regulation E, and its model."""

    def __init__(self, url: str) -> None:
        self.desk = DisputeDesk(url, f"model-{next(PROGRAMS)}")
        self.desk.has_policy()
        self.desk.has_deposit("ana", 100_00)
        for transaction_id, amount in PURCHASES.items():
            self.desk.buys("ana", transaction_id, amount)
        self.model = ProvisionalModel(45_00, dict(PURCHASES))
        self.today = FIRST_DAY

    def tell(self, case: str, status: str, amount: int) -> None:
        self.model.tell(case, CASES[case], (self.today, status, amount))
        # Mastercard has no clock of its own.
        self.desk.told(
            case, CASES[case], amount, on=self.today, status=status, network="mastercard"
        )

    def repeat(self, case: str) -> None:
        """The last step again, as a file that is sent twice would tell it."""
        dispute = self.model.disputes.get(case)
        if dispute is not None:
            on, status, amount = dispute.steps[-1]
            self.desk.told(case, CASES[case], amount, on=on, status=status, network="mastercard")

    def notify(self, case: str) -> None:
        if case in self.model.disputes:
            self.model.disputes[case].notices.append(self.today)
            key = self.desk.key(case, "mastercard")
            self.desk.ledger.record_notice(key, NoticeKind.TAKING_BACK, self.today, "ana")

    def wait(self, days: int) -> None:
        self.today += timedelta(days=days)

    def refund(self, transaction_id: str, amount: int) -> None:
        if amount <= self.model.spent[transaction_id]:
            self.model.spent[transaction_id] -= amount
            self.model.available += amount
            self.desk.is_refunded("ana", transaction_id, amount)

    def spend(self, amount: int) -> None:
        if amount <= self.model.available:
            self.model.available -= amount
            self.desk.spends("ana", f"t-{next(PROGRAMS)}-more", amount)

    def post(self) -> None:
        """Nights until nothing more is posted: what is taken back, another dispute may have."""
        while self.desk.post(self.today):
            pass
        for _ in CASES:
            self.model.post(self.today)
        posted = [(case, kind, amount) for case, kind, amount in self.desk.postings()]
        expected = [
            (case, kind, amount)
            for case, dispute in self.model.disputes.items()
            for kind, amount in [("provisional_credit", dispute.credit), dispute.end or ("", None)]
            if amount is not None
        ]
        assert sorted(posted) == sorted(expected)
        steps = Counter((case, kind == "provisional_credit") for case, kind, _ in posted)
        assert set(steps.values()) <= {1}
        assert self.desk.available("ana") == self.model.available


def check(url: str, actions: list[tuple[object, ...]]) -> None:
    with one_session(url):
        run = Run(url)
        # Each begins with a dispute, and ends when all clocks have.
        for name, *arguments in [
            ("tell", "c-1", "open", 40_00),
            *actions,
            ("wait", 14),
            ("post",),
        ]:
            getattr(run, str(name))(*arguments)
        run.wait(400)
        run.post()


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(actions=st.lists(ACTIONS, min_size=4, max_size=14))
def test_what_is_given_back_equals_the_model(
    module_database_url: str, actions: list[tuple[object, ...]]
) -> None:
    check(module_database_url, actions)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(actions=st.lists(ACTIONS, min_size=5, max_size=30))
def test_what_is_given_back_equals_the_model_for_long(
    module_database_url: str, actions: list[tuple[object, ...]]
) -> None:
    check(module_database_url, actions)
    assert_books_add_up(module_database_url, may_be_negative=True)
