"""The machine with spending limits: set, changed, removed, looked at.

Belongs here: what is drawn of limits. What limits let through is in limit_model.
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
# '' is each user of the program; a limit may stand before there is an account.
WHOSE = st.sampled_from(["", "user_1", "user_1", "user_2"])
MOST_AMOUNTS = st.one_of(st.none(), st.integers(20, 120))
MOST_COUNTS = st.one_of(st.none(), st.integers(2, 8))


class LimitedMachine(Machine):
    """All of the machine's rules, and these."""

    def __init__(self) -> None:
        super().__init__()
        self.limits = PostgresSpendingLimits(self.url)

    @rule(
        program=PROGRAMS,
        user=WHOSE,
        currency=CURRENCIES,
        wished=st.lists(
            st.tuples(KINDS, st.tuples(MOST_AMOUNTS, MOST_COUNTS)), min_size=1, max_size=3
        ),
    )
    def limit(
        self, program: str, user: str, currency: str, wished: list[tuple[Kind, Most]]
    ) -> None:
        valid = [(kind, most) for kind, most in wished if limits_something(kind, most)]
        made = [
            SpendingLimit(LimitKind(name), amount, None if name == "authorization" else count, long)
            for (name, long), (amount, count) in valid
        ]
        self.limits.change(program, user, currency, made, changed_by="operator")
        for kind, (amount, count) in valid:
            most = (amount, None if kind[0] == "authorization" else count)
            self.model.limits.change((program, user, currency), kind, most)

    @rule(program=PROGRAMS, user=WHOSE, currency=CURRENCIES, kind=KINDS)
    def unlimit(self, program: str, user: str, currency: str, kind: Kind) -> None:
        key = (LimitKind(kind[0]), kind[1])
        is_removed = self.limits.remove(program, user, currency, key, changed_by="operator")
        assert is_removed == self.model.limits.remove((program, user, currency), kind)

    @rule(program=PROGRAMS, user=st.sampled_from(["user_1", "user_2"]))
    def look_at_limits(self, program: str, user: str) -> None:
        at = self.clock.now()
        shown = self.limits.used(program, user, at)
        for currency in ("USD", "EUR"):
            found = {
                (one.limit.kind.value, one.limit.window_seconds): (
                    (one.limit.max_amount_minor, one.limit.max_count),
                    one.used_amount_minor,
                    one.used_count,
                )
                for one in shown.get(currency, ())
            }
            assert found == self.model.limits.used((program, user, currency), at)


class NarrowMachine(LimitedMachine):
    """The same with what meets limits alone, so that few steps are enough to meet them often."""

    # A rule that is None is none.
    recall = block = ask_again = action = look = sweep = void_before = None  # type: ignore[assignment]

    @initialize(kind=KINDS, most=st.tuples(MOST_AMOUNTS, MOST_COUNTS))
    def begin(self, kind: Kind, most: Most) -> None:  # type: ignore[override]
        self.limit("default", "", "USD", [(kind, most)])
        for number, user in enumerate(["user_1", "user_2"], start=90):
            self.deposit("default", number, user, "USD", 1_000)


def limits_something(kind: Kind, most: Most) -> bool:
    return most[0] is not None or (kind[0] != "authorization" and most[1] is not None)
