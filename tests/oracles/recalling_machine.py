"""The state machine with reinstatements: recalled deposits credited again, recalled again, corrected.

Belongs here: the drawn steps on recalls and reinstatements. Which file a deposit's latest credit came
from decides whose recall takes it back.
"""

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.factories.intake import Deposit, an_intake_file, staged
from tests.oracles.authorization_machine import AMOUNTS, CURRENCIES
from tests.oracles.limited_machine import LimitedMachine

# Beyond the ids of files that deposit.
FIRST_CORRECTION = 1_000


class RecallingMachine(LimitedMachine):
    """The machine's rules, and rules for reinstatements."""

    def __init__(self) -> None:
        super().__init__()
        # Intake id -> the deposit that it reinstated, and the reverse for the latest.
        self.corrections: dict[int, tuple[str, str]] = {}
        self.credited_by: dict[tuple[str, str], int] = {}

    @rule(drawn=st.integers(0, 99))
    def recall(self, drawn: int) -> None:
        files = sorted({**self.files, **self.corrections})
        if files and drawn < 40:
            self.recall_file(files[drawn % len(files)])

    def recall_file(self, intake_id: int) -> None:
        program, deposit_id = {**self.files, **self.corrections}[intake_id]
        self.deposits.recall(an_intake_file(intake_id, program=program), "operator")
        if self.credited_by.get((program, deposit_id), intake_id) == intake_id:
            self.model.recall(program, deposit_id)

    @rule(
        drawn=st.integers(0, 99),
        is_recalled=st.sampled_from([True, True, True, False]),
        is_requested=st.sampled_from([True, True, True, False]),
        corrected=st.one_of(
            st.none(), st.tuples(st.sampled_from(["user_1", "user_2"]), CURRENCIES, AMOUNTS)
        ),
    )
    def reinstate(
        self,
        drawn: int,
        is_recalled: bool,  # noqa: FBT001 - drawn
        is_requested: bool,  # noqa: FBT001 - drawn
        corrected: tuple[str, str, int] | None,
    ) -> None:
        """A deposit named by another file, mostly recalled and requested, as it was or corrected."""
        known = sorted(self.model.deposits)
        if not known:
            return
        key = program, deposit_id = known[drawn % len(known)]
        if is_recalled and key not in self.model.recalled:
            first = next(intake_id for intake_id, of in self.files.items() if of == key)
            self.recall_file(self.credited_by.get(key, first))
        user, currency, amount = corrected or self.model.deposits[key]
        file = an_intake_file(FIRST_CORRECTION + len(self.corrections), program=program)
        if is_requested:
            self.deposits.request_reinstatement(file, "operator", "a mistake")
        row = Deposit(deposit_id, user_id=user, amount_minor=amount, currency=currency)
        self.deposits.credit(file, [staged([row])])
        self.deposits.forget_staged(file)
        if is_requested and self.model.reinstate(program, deposit_id, user, currency, amount):
            self.corrections[file.intake_id] = key
            self.credited_by[key] = file.intake_id
            self.reasons["reinstated"] += 1
