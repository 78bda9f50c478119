"""DepositLedger on the fake and on PostgreSQL: each deposit once, and the outcome of each row."""

import polars as pl
import pytest

from cardops.adapters.postgresql.connection import connect
from cardops.rules.intake.files import IntakeFile, StagingLostError
from tests.factories.intake import Deposit, an_intake_file, staged
from tests.fakes.deposit_ledger import FakeDepositLedger
from tests.oracles.deposit_books import ObservedDepositLedger, ObservedPostgresDepositLedger

FILE = an_intake_file(1)
OTHER_FILE = an_intake_file(2)


@pytest.fixture(params=["fake", pytest.param("postgresql", marks=pytest.mark.database)])
def ledger(request: pytest.FixtureRequest) -> ObservedDepositLedger:
    if request.param == "fake":
        return FakeDepositLedger()
    return ObservedPostgresDepositLedger(request.getfixturevalue("database_url"))


def credit(ledger: ObservedDepositLedger, file: IntakeFile, *deposits: Deposit) -> list[str]:
    """Credit the deposits; their outcomes in file order."""
    ledger.credit(file, [staged(deposits)])
    return ledger.outcome(file).get_column("outcome").to_list()


def available(ledger: ObservedDepositLedger, user_id: str = "user_1") -> int:
    account = ledger.account("default", user_id, "USD")
    return 0 if account is None else account.available_minor


def test_credited_deposit_is_available(ledger: ObservedDepositLedger) -> None:
    assert credit(ledger, FILE, Deposit("d-1", amount_minor=500)) == ["accepted"]
    assert available(ledger) == 500


def test_crediting_a_file_again_changes_nothing(ledger: ObservedDepositLedger) -> None:
    deposits = (Deposit("d-1"), Deposit("d-2", user_id="user_2"))
    first = credit(ledger, FILE, *deposits), ledger.outcome(FILE).rows()

    assert (credit(ledger, FILE, *deposits), ledger.outcome(FILE).rows()) == first
    assert available(ledger) == 500


def test_first_row_in_file_order_wins_across_users(ledger: ObservedDepositLedger) -> None:
    # user_9 comes last in user order, and first in the file.
    outcomes = credit(
        ledger, FILE, Deposit("d-1", user_id="user_9"), Deposit("d-1", user_id="user_1")
    )

    assert outcomes == ["accepted", "conflicting_duplicate"]
    assert (available(ledger, "user_9"), available(ledger, "user_1")) == (500, 0)


def test_repeated_row_of_a_file_is_a_duplicate(ledger: ObservedDepositLedger) -> None:
    assert credit(ledger, FILE, Deposit("d-1"), Deposit("d-1")) == ["accepted", "duplicate"]
    assert available(ledger) == 500


@pytest.mark.parametrize(
    ("again", "outcome"),
    [
        (Deposit("d-1"), "duplicate"),
        (Deposit("d-1", amount_minor=501), "conflicting_duplicate"),
        (Deposit("d-1", user_id="user_2"), "conflicting_duplicate"),
        (Deposit("d-1", currency="EUR"), "conflicting_duplicate"),
    ],
)
def test_known_deposit_in_another_file_is_not_credited(
    ledger: ObservedDepositLedger, again: Deposit, outcome: str
) -> None:
    credit(ledger, FILE, Deposit("d-1"))

    assert credit(ledger, OTHER_FILE, again) == [outcome]
    assert available(ledger) == 500
    assert available(ledger, "user_2") == 0


def test_duplicate_deposit_creates_no_account(ledger: ObservedDepositLedger) -> None:
    credit(ledger, FILE, Deposit("d-1"))
    credit(ledger, OTHER_FILE, Deposit("d-1", user_id="user_2"))

    assert ledger.account("default", "user_2", "USD") is None


def test_programs_have_separate_deposit_ids(ledger: ObservedDepositLedger) -> None:
    elsewhere = an_intake_file(3, program="other")
    credit(ledger, FILE, Deposit("d-1"))

    assert credit(ledger, elsewhere, Deposit("d-1")) == ["accepted"]
    account = ledger.account("other", "user_1", "USD")
    assert account is not None
    assert account.available_minor == 500


def test_ledger_sequence_rises_in_file_order(ledger: ObservedDepositLedger) -> None:
    credit(ledger, FILE, Deposit("d-1"), Deposit("d-2", user_id="user_2"), Deposit("d-3"))
    credit(ledger, OTHER_FILE, Deposit("d-3"), Deposit("d-4"))

    assert ledger.outcome(FILE).rows() == [
        (1, "accepted", 1),
        (2, "accepted", 1),
        (3, "accepted", 2),
    ]
    assert ledger.outcome(OTHER_FILE).rows() == [(1, "duplicate", None), (2, "accepted", 3)]
    account = ledger.account("default", "user_1", "USD")
    assert account is not None
    assert account.ledger_seq == 3


def test_rows_may_come_in_several_batches(ledger: ObservedDepositLedger) -> None:
    rows = staged([Deposit(f"d-{n}") for n in range(7)])
    ledger.credit(FILE, (rows.slice(start, 3) for start in (0, 3, 6)))

    assert ledger.outcome(FILE).height == 7
    assert available(ledger) == 7 * 500


def test_file_without_rows_credits_nothing(ledger: ObservedDepositLedger) -> None:
    ledger.credit(FILE, [])

    assert ledger.outcome(FILE).rows() == []
    assert list(ledger.accounts()) == []


def test_outcome_of_a_dropped_stage_raises_staging_lost(ledger: ObservedDepositLedger) -> None:
    credit(ledger, FILE, Deposit("d-1"))
    ledger.forget_staged(FILE)
    ledger.forget_staged(FILE)

    with pytest.raises(StagingLostError, match="intake file 1"):
        ledger.outcome(FILE)


def test_recall_takes_back_only_the_files_deposits(
    ledger: ObservedDepositLedger,
) -> None:
    credit(ledger, FILE, Deposit("d-1", amount_minor=100), Deposit("d-2", amount_minor=20))
    credit(ledger, OTHER_FILE, Deposit("d-2", amount_minor=20), Deposit("d-3", amount_minor=3))

    assert ledger.recall(FILE, "operator") == {"USD": 120}
    assert available(ledger) == 3


def test_repeated_recall_posts_nothing_and_returns_the_same(
    ledger: ObservedDepositLedger,
) -> None:
    credit(ledger, FILE, Deposit("d-1", amount_minor=100))
    first = ledger.recall(FILE, "operator")

    assert ledger.recall(FILE, "operator") == first == {"USD": 100}
    assert available(ledger) == 0


def test_recalled_deposit_is_not_credited_again(ledger: ObservedDepositLedger) -> None:
    credit(ledger, FILE, Deposit("d-1"))
    ledger.recall(FILE, "operator")
    credit(ledger, FILE, Deposit("d-1"))

    assert available(ledger) == 0


def reinstate(ledger: ObservedDepositLedger, file: IntakeFile, *deposits: Deposit) -> list[str]:
    ledger.request_reinstatement(file, "operator", "recalled by mistake")
    return credit(ledger, file, *deposits)


def test_recalled_deposit_is_recalled_before_in_every_file(ledger: ObservedDepositLedger) -> None:
    credit(ledger, FILE, Deposit("d-1"))
    ledger.recall(FILE, "operator")

    assert credit(ledger, FILE, Deposit("d-1")) == ["recalled_before"]
    assert credit(ledger, OTHER_FILE, Deposit("d-1"), Deposit("d-2")) == [
        "recalled_before",
        "accepted",
    ]


def test_reinstated_deposit_has_the_content_of_the_named_file(
    ledger: ObservedDepositLedger,
) -> None:
    credit(ledger, FILE, Deposit("d-1"))
    ledger.recall(FILE, "operator")

    corrected = Deposit("d-1", user_id="user_2", amount_minor=40)
    assert reinstate(ledger, OTHER_FILE, corrected) == ["accepted"]
    assert ledger.reinstated(OTHER_FILE) == {"USD": 40}
    assert (available(ledger), available(ledger, "user_2")) == (0, 40)
    assert credit(ledger, FILE, Deposit("d-1")) == ["conflicting_duplicate"]


def test_request_is_finished_with_one_credit(ledger: ObservedDepositLedger) -> None:
    credit(ledger, FILE, Deposit("d-1"))
    reinstate(ledger, FILE, Deposit("d-1"))
    ledger.recall(FILE, "operator")

    assert credit(ledger, FILE, Deposit("d-1")) == ["recalled_before"]
    assert available(ledger) == 0


def test_recall_ends_an_unfinished_request(ledger: ObservedDepositLedger) -> None:
    credit(ledger, FILE, Deposit("d-1"))
    ledger.request_reinstatement(FILE, "operator", "recalled by mistake")
    ledger.recall(FILE, "operator")

    assert credit(ledger, FILE, Deposit("d-1")) == ["recalled_before"]


def test_deposit_is_recalled_and_reinstated_repeatedly(ledger: ObservedDepositLedger) -> None:
    credit(ledger, FILE, Deposit("d-1"))
    for _ in range(3):
        assert ledger.recall(FILE, "operator") == {"USD": 500}
        assert (available(ledger), ledger.reinstated(FILE)) == (0, {})
        assert reinstate(ledger, FILE, Deposit("d-1")) == ["accepted"]
        assert (available(ledger), ledger.reinstated(FILE)) == (500, {"USD": 500})
    account = ledger.account("default", "user_1", "USD")
    assert account is not None
    assert account.ledger_seq == 7


def test_balances_equal_sums_of_postings(ledger: ObservedDepositLedger) -> None:
    credit(ledger, FILE, Deposit("d-1", amount_minor=100), Deposit("d-2", user_id="user_2"))
    credit(ledger, OTHER_FILE, Deposit("d-3", amount_minor=7, currency="EUR"))
    ledger.recall(FILE, "operator")

    key = ["program", "user_id", "currency"]
    stored = pl.concat(ledger.accounts()).sort(key)
    summed = pl.concat(ledger.posting_totals()).sort(key)
    net = summed["deposits_minor"] - summed["recalls_minor"]

    assert stored.select(key).equals(summed.select(key))
    assert stored["available_minor"].to_list() == net.to_list() == [7, 0, 0]
    assert ledger.account_totals("default", "user_1", "USD").ledger_minor == 0


def test_unknown_account_is_none_with_zero_totals(ledger: ObservedDepositLedger) -> None:
    assert ledger.account("default", "nobody", "USD") is None
    assert ledger.account_totals("default", "nobody", "USD").ledger_minor == 0


@pytest.fixture
def spent_url(database_url: str) -> str:
    """A database in which user_1 was credited 500 and has spent it all."""
    ObservedPostgresDepositLedger(database_url).credit(FILE, [staged([Deposit("d-1")])])
    with connect(database_url) as session:
        session.execute("update accounts set available_minor = 0, held_minor = 0")
    return database_url


@pytest.mark.database
def test_recall_always_posts_and_may_overdraw(spent_url: str) -> None:
    ledger = ObservedPostgresDepositLedger(spent_url)
    ledger.recall(FILE, "operator")

    assert available(ledger) == -500


def test_deposit_beyond_the_largest_balance_is_refused_alone(ledger: ObservedDepositLedger) -> None:
    outcomes = credit(
        ledger,
        FILE,
        Deposit("d-1", amount_minor=2**62),
        Deposit("d-2", amount_minor=2**62),
        Deposit("d-3", amount_minor=2**62 - 1),
        Deposit("d-2", amount_minor=1),
        Deposit("d-4", user_id="user_2"),
    )

    refused = "amount_out_of_range"
    assert outcomes == ["accepted", refused, "accepted", refused, "accepted"]
    assert (available(ledger), available(ledger, "user_2")) == (2**63 - 1, 500)


def test_refused_deposit_is_credited_once_its_account_has_room(
    ledger: ObservedDepositLedger,
) -> None:
    assert credit(ledger, FILE, Deposit("d-1", amount_minor=2**63 - 1)) == ["accepted"]
    assert credit(ledger, OTHER_FILE, Deposit("d-2")) == ["amount_out_of_range"]

    ledger.recall(FILE, "operator")

    assert credit(ledger, OTHER_FILE, Deposit("d-2")) == ["accepted"]
    assert available(ledger) == 500


@pytest.mark.database
def test_held_credit_counts_towards_the_largest_balance(database_url: str) -> None:
    ledger = ObservedPostgresDepositLedger(database_url)
    credit(ledger, FILE, Deposit("d-1", amount_minor=2**63 - 1))
    with connect(database_url) as session:
        session.execute("update accounts set available_minor = 0, held_minor = 9223372036854775807")

    assert credit(ledger, OTHER_FILE, Deposit("d-2")) == ["amount_out_of_range"]
    assert available(ledger) == 0
