"""Any order of operations: PostgreSQL responds like the model, step by step."""

from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.reconciliation.books import PostgresBooks
from cardops.rules.authorizations.decisions import ReasonCode
from cardops.rules.reconciliation.comparisons import (
    AUTHORIZATION_CHECKS,
    LIMIT_CHECKS,
    SEQUENCE_CHECKS,
)
from tests.oracles.authorization_machine import Machine
from tests.oracles.limited_machine import NarrowMachine
from tests.oracles.recalling_machine import RecallingMachine

# The machine turns the clock of its authorizations back, and its deposits have the real one.
NOT_OF_A_MACHINE = "instants_follow_the_sequence"
CHECKS = (*SEQUENCE_CHECKS, *AUTHORIZATION_CHECKS, *LIMIT_CHECKS)
pytestmark = pytest.mark.database

# Each occurs at least once in a long run, velocity_limit for an increment too.
EVERY_REASON = {reason.value for reason in ReasonCode} | {"increment velocity_limit"}


@pytest.mark.parametrize(
    ("machine", "examples", "steps"),
    [
        (RecallingMachine, 12, 30),
        (NarrowMachine, 12, 20),
        pytest.param(
            RecallingMachine, 150, 60, marks=[pytest.mark.soak, pytest.mark.timeout(1800)]
        ),
    ],
)
def test_any_order_of_operations_matches_the_model(
    database_url: str, machine: type[Machine], examples: int, steps: int
) -> None:
    with connect(database_url) as session:
        session.execute(
            "insert into programs (program, currency) values ('default', 'USD'), ('other', 'USD')"
            " on conflict do nothing"
        )
    machine.url, machine.steps = database_url, 0
    machine.reasons.clear()
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(f"{machine.steps} steps, {dict(machine.reasons)}")  # noqa: T201 - the proof's figures
    if examples >= 100:
        assert EVERY_REASON <= machine.reasons.keys()
    assert machine.steps >= examples * steps // 2
    assert breaks_of_history(database_url) == set()


def breaks_of_history(url: str) -> set[object]:
    """What the checks of accounts, authorizations and limits find in the history that was made."""
    names = {comparison.check for comparison in CHECKS} - {NOT_OF_A_MACHINE}
    found = PostgresBooks(url).breaks(datetime.now(UTC).date())
    return set(
        found.filter(pl.col("check_name").is_in(names)).select("check_name", "subject").rows()
    )
