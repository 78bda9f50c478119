"""Which unfinished files are run again, and whose tries start anew."""

from datetime import timedelta

from cardops.rules.intake.retries import MAX_TRIES, Tries
from cardops.services.intake.recovery import Recovery
from tests.factories.intake_environment import IntakeWorld
from tests.fakes.notifier import FakeNotifier


def test_released_file_has_all_its_tries_again(world: IntakeWorld) -> None:
    """Also where nothing polled between its death and its release: the old tries are remembered."""
    ledger, now = world.intake_ledger, world.clock.now()
    world.raw_store.create("incoming/deposits/default/a.csv", b"a")
    intake_id = world.claim("incoming/deposits/default/a.csv")
    tried = {intake_id: Tries(MAX_TRIES, (now - timedelta(days=2)).isoformat())}
    ledger.restart(intake_id)
    recovery = Recovery(ledger, FakeNotifier())

    first = recovery.plan(ledger.unfinished(), set(), tried, now)
    later = recovery.plan(ledger.unfinished(), set(), first.tries, now + timedelta(minutes=1))

    assert (first.due, first.tries) == ((), {intake_id: Tries(0, now.isoformat(), 1)})
    assert [intake_file.intake_id for intake_file in later.due] == [intake_id]
    assert later.tries[intake_id] == Tries(1, (now + timedelta(minutes=1)).isoformat(), 1)
