"""The state machine with spending limits: set, changed, removed and read.

Belongs here: the drawn steps on limits. What limits permit is in limit_model.
"""

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from cardops.adapters.postgresql.accounts.spending_limits import PostgresSpendingLimits
from cardops.rules.accounts.spending_limits import LimitKind, SpendingLimit
from tests.oracles.authorization_machine import CURRENCIES, PROGRAMS, Machine
from tests.oracles.limit_model import Kind, Most

DAY_SECONDS = 24 * 3600
KINDS = st.sampled_from(
    [
        ("authorization", 0),
        ("window", 1),
        ("window", 60),
        ("window", 3 * DAY_SECONDS),
        ("window", 31 * DAY_SECONDS),
        ("day", 0),
        ("month", 0),
    ]
)
# '' is each user of the program; a limit may exist before the account.
LIMITED_USERS = st.sampled_from(["", "user_1", "user_1", "user_2"])
MOST_AMOUNTS = st.one_of(st.none(), st.integers(20, 120))
MOST_COUNTS = st.one_of(st.none(), st.integers(2, 8))


class LimitedMachine(Machine):
    """The machine's rules, and rules for limits."""

    def __init__(self) -> None:
        super().__init__()
        self.limits = PostgresSpendingLimits(self.url)

    @rule(
        program=PROGRAMS,
        user=LIMITED_USERS,
        currency=CURRENCIES,
        drawn=st.lists(
            st.tuples(KINDS, st.tuples(MOST_AMOUNTS, MOST_COUNTS)), min_size=1, max_size=3
        ),
    )
    def limit(self, program: str, user: str, currency: str, drawn: list[tuple[Kind, Most]]) -> None:
        valid = [(kind, most) for kind, most in drawn if has_maximum(kind, most)]
        limits = [
            SpendingLimit(LimitKind(name), amount, None if name == "authorization" else count, long)
            for (name, long), (amount, count) in valid
        ]
        self.limits.change(program, user, currency, limits, changed_by="operator")
        for kind, (amount, count) in valid:
            most = (amount, None if kind[0] == "authorization" else count)
            self.model.limits.change((program, user, currency), kind, most)

    @rule(program=PROGRAMS, user=LIMITED_USERS, currency=CURRENCIES, kind=KINDS)
    def remove_limit(self, program: str, user: str, currency: str, kind: Kind) -> None:
        key = (LimitKind(kind[0]), kind[1])
        is_removed = self.limits.remove(program, user, currency, key, changed_by="operator")
        assert is_removed == self.model.limits.remove((program, user, currency), kind)

    @rule(program=PROGRAMS, user=st.sampled_from(["user_1", "user_2"]))
    def read_limits(self, program: str, user: str) -> None:
        at = self.clock.now()
        allowances = self.limits.used(program, user, at)
        for currency in ("USD", "EUR"):
            used = {
                (allowance.limit.kind.value, allowance.limit.window_seconds): (
                    (allowance.limit.max_amount_minor, allowance.limit.max_count),
                    allowance.used_amount_minor,
                    allowance.used_count,
                )
                for allowance in allowances.get(currency, ())
            }
            assert used == self.model.limits.used((program, user, currency), at)


class NarrowMachine(LimitedMachine):
    """Only the rules that concern limits, so that few steps meet limits often."""

    # Setting a rule to None removes it.
    recall = block = ask_again = action = find = sweep = void_before = None  # type: ignore[assignment]

    @initialize(kind=KINDS, most=st.tuples(MOST_AMOUNTS, MOST_COUNTS))
    def begin(self, kind: Kind, most: Most) -> None:  # type: ignore[override]
        self.limit("default", "", "USD", [(kind, most)])
        for number, user in enumerate(["user_1", "user_2"], start=90):
            self.deposit("default", number, user, "USD", 1_000)


def has_maximum(kind: Kind, most: Most) -> bool:
    return most[0] is not None or (kind[0] != "authorization" and most[1] is not None)
