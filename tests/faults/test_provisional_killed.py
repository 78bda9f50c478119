"""Posting what disputes give back, killed at any step, is finished by a repeat and posts once."""

import signal
from datetime import date
from pathlib import Path

import pytest

from cardops.adapters.postgresql.transactions import one_session
from cardops.rules.provisional.records import NoticeKind
from tests.factories.disputed_purchases import DISPUTED_ON, DisputeDesk
from tests.oracles.ledger_totals import assert_books_add_up
from tests.servers.killable_provisional import a_desk, approval, die_at_steps

pytestmark = pytest.mark.database

# Of the run that posts a credit, one with its end, and one that is taken back.
WON_ON, TODAY = date(2026, 9, 23), date(2026, 9, 30)
# More steps than a run has; a process that dies at none of them ends by itself.
ALL_STEPS = range(1, 62)
SOME_STEPS = (18, 36)
SOAK = [pytest.mark.soak, pytest.mark.timeout(900)]


def disputed(url: str, folder: Path, program: str) -> DisputeDesk:
    """100.00 spent in four purchases of 10.00, three of them disputed; one has its credit."""
    desk = a_desk(url, folder, program)
    desk.has_policy()
    desk.has_deposit("ana", 40_00)
    for number in range(1, 5):
        desk.buys("ana", f"t-{number}", 10_00)
    desk.told("c-1", "t-1", 10_00)
    desk.post(date(2026, 9, 22))
    desk.told("c-1", "t-1", 10_00, on=WON_ON, status="won")
    desk.notices("c-1", NoticeKind.TAKING_BACK, WON_ON)
    desk.told("c-2", "t-2", 10_00)
    desk.told("c-3", "t-3", 10_00, on=DISPUTED_ON, status="lost")
    return desk


@pytest.mark.parametrize("steps", [SOME_STEPS, pytest.param(ALL_STEPS, marks=SOAK)])
def test_killed_run_is_finished_by_a_repeat(
    database_url: str, tmp_path: Path, steps: "range | tuple[int, ...]"
) -> None:
    with one_session(database_url):
        desks = [disputed(database_url, tmp_path, f"p{step}") for step in steps]

    killed_at: dict[str, int | str] = dict(
        zip((desk.program for desk in desks), steps, strict=True)
    )
    ended = die_at_steps(database_url, tmp_path, TODAY, killed_at)
    killed = ended.count(-signal.SIGKILL)
    assert ended == [-signal.SIGKILL] * killed + [0] * (len(desks) - killed)
    assert killed == len(desks) if steps is SOME_STEPS else 10 < killed < len(desks)
    assert_books_add_up(database_url)
    for desk in desks:
        desk.post(TODAY)

    # Each once, and a repeat of all posts nothing more.
    for desk in desks:
        assert sorted(desk.postings()) == [
            ("c-1", "credit_taken_back", 10_00),
            ("c-1", "provisional_credit", 10_00),
            ("c-2", "provisional_credit", 10_00),
            ("c-3", "credit_made_final", 0),
            ("c-3", "provisional_credit", 10_00),
        ]
        assert (desk.available("ana"), desk.post(TODAY)) == (20_00, [])
    assert_books_add_up(database_url)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_killed_decision_is_finished_by_a_repeat_or_by_the_night(
    database_url: str, tmp_path: Path
) -> None:
    steps = range(1, 51)
    late_on = date(2027, 2, 1)
    desks = [a_desk(database_url, tmp_path, f"p{step}") for step in steps]
    with one_session(database_url):
        for desk in desks:
            desk.has_policy()
            desk.has_deposit("ana", 40_00)
            desk.buys("ana", "t-1", 10_00)
            desk.told("c-1", "t-1", 10_00, on=late_on)

    killed_at: dict[str, int | str] = {f"p{step}": f"d{step}" for step in steps}
    ended = die_at_steps(database_url, tmp_path, late_on, killed_at)

    assert 10 < ended.count(-signal.SIGKILL) < len(desks)
    assert_books_add_up(database_url)
    for number, desk in enumerate(desks):
        recorded = desk.position("c-1").record.decision
        if recorded is not None and number % 2:
            desk.post(late_on)
        else:
            desk.decisions.decide(approval(desk), late_on)
        assert desk.postings() == [("c-1", "provisional_credit", 10_00)]
        decision = desk.position("c-1").record.decision
        assert decision is not None
        assert (decision.number, desk.available("ana")) == (1, 40_00)
    assert_books_add_up(database_url)
