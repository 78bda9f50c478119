"""A process that reads acknowledgements is killed at each of its steps: each still counts once."""

from collections import Counter
from pathlib import Path

import pytest

from cardops.rules.deliveries.acknowledgements import AcknowledgementOutcome as Outcome
from tests.factories.acknowledged_files import (
    OUTBOX,
    AcknowledgementDesk,
    an_acknowledgement,
    outbox_of,
)
from tests.fakes.destinations import FakeDestinations
from tests.servers.killable_poll import poll_and_die
from tests.servers.warm_command import warm_context

# Each of its steps takes a process of its own.
pytestmark = [pytest.mark.database, pytest.mark.soak]
KILLED = -9


def test_killed_poll_is_finished_by_the_next_one(module_database_url: str, tmp_path: Path) -> None:
    for dies_at in range(1, 100):
        destinations = FakeDestinations()
        outbox = outbox_of(destinations)
        desk = AcknowledgementDesk(module_database_url, destinations, tmp_path)
        record = desk.deliver(f"kill{dies_at}", f"other{dies_at}")
        for name in ("a", "b"):
            outbox[f"{OUTBOX}/{name}{dies_at}.ack.json"] = an_acknowledgement(
                record, [f"kill{dies_at}"]
            )
        values = (module_database_url, destinations, tmp_path, dies_at)
        process = warm_context().Process(target=poll_and_die, args=values)
        process.start()
        process.join(60)
        assert process.exitcode in {0, KILLED}

        desk.poll()

        stored = desk.acknowledgements.of_batches([record.batch_id])
        assert Counter(found.outcome for found in stored) == {
            Outcome.MATCHED: 1,
            Outcome.REPEATED: 1,
        }
        assert [found.alarmed_at is not None for found in stored if found.is_alarming] == [True]
        (again,) = desk.waiting()
        assert again[:2] == (f"kill{dies_at}", "files_not_made")
        desk.make(again[2])
        if process.exitcode == 0:
            assert dies_at > 10, "too few steps to prove anything"
            return
    pytest.fail("no poll survived")
