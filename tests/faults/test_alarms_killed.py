"""A process is killed before each step of seeing, escalating, ending and acknowledging an alarm.

What it left is told by whoever comes next: nothing is lost, and at most one channel is told once more.
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cardops.adapters.postgresql.connection import SCHEMA, with_search_path
from cardops.rules.alarms.incidents import IncidentState
from cardops.rules.alarms.messages import CLAIMED_FOR
from tests.factories.databases import new_database
from tests.servers.killable_incidents import ACTIONS, Home, acknowledge, die_at_each

pytestmark = pytest.mark.database
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
AN_HOUR = NOON + timedelta(minutes=61)
KILLED = -9
# Recorded, failing channels looked up; then each of two channels is told, and that recorded.
TELLING = 6
# A turn looks, tells, and gives its messages back first, then claims them.
TURN = 8


@pytest.fixture
def homes(server_url: str, template_database: str, tmp_path: Path) -> Iterator[list[Home]]:
    """More instances than any action has steps."""
    with ExitStack() as stack:
        found = []
        for number in range(TURN + 1):
            (folder := tmp_path / str(number)).mkdir()
            url = stack.enter_context(new_database(server_url, template=template_database))
            found.append(Home(with_search_path(url, SCHEMA), folder))
        yield found


def told(home: Home) -> Counter[tuple[str, str]]:
    """How often each channel was told of each event."""
    return Counter(
        (channel.name, json.loads(line)["event"])
        for channel in home.folder.iterdir()
        for line in channel.read_text().splitlines()
    )


def state(home: Home) -> IncidentState:
    (record,) = home.incidents(NOON).all(frozenset(IncidentState), 10)
    return record.incident.state


def check_told(home: Home, event: str) -> None:
    """Both channels know, and at most one of them was told twice."""
    counts = told(home)
    times = [counts["file", event], counts["mail", event]]
    assert min(times) == 1, counts
    assert sum(times) <= 3, counts


def test_alarm_that_was_seen_is_told_whenever_its_process_dies(homes: list[Home]) -> None:
    codes = die_at_each("see", NOON, homes)
    assert codes == [KILLED] * TELLING + [0] * (len(homes) - TELLING)

    for home in homes:
        # Whoever looks sees it again, as long as its cause is there.
        ACTIONS["see"](home, NOON + timedelta(minutes=1))
        home.notifier(NOON + CLAIMED_FOR + timedelta(minutes=1)).turn()
        check_told(home, "opened")
        assert home.incidents(NOON).failing_channels() == set()


def test_escalation_is_told_whenever_its_process_dies(homes: list[Home]) -> None:
    for home in homes:
        ACTIONS["see"](home, NOON)

    codes = die_at_each("escalate", AN_HOUR, homes)
    assert codes == [KILLED] * TURN + [0] * (len(homes) - TURN)

    for home in homes:
        home.notifier(AN_HOUR + CLAIMED_FOR).turn()
        home.notifier(AN_HOUR + 2 * CLAIMED_FOR).turn()
        check_told(home, "escalated")
        assert told(home)["mail", "opened"] == 1


def test_end_is_told_whenever_its_process_dies(homes: list[Home]) -> None:
    for home in homes:
        ACTIONS["see"](home, NOON)

    codes = die_at_each("end", AN_HOUR, homes)
    assert codes == [KILLED] * TELLING + [0] * (len(homes) - TELLING)

    for home in homes:
        # Whoever finds its cause gone says so again.
        ACTIONS["end"](home, AN_HOUR + timedelta(minutes=1))
        home.notifier(AN_HOUR + CLAIMED_FOR + timedelta(minutes=1)).turn()
        check_told(home, "resolved")
        assert state(home) is IncidentState.RESOLVED
        assert told(home)["mail", "escalated"] == 0


def test_acknowledgement_is_whole_or_not_there(homes: list[Home]) -> None:
    first, second = homes[:2]
    for home in (first, second):
        ACTIONS["see"](home, NOON)

    assert die_at_each("acknowledge", NOON, [first, second]) == [KILLED, 0]

    assert state(first) is IncidentState.OPEN
    acknowledge(first, NOON)
    for home in (first, second):
        record = home.incidents(NOON).find(1)
        assert record is not None
        assert record.incident.state is IncidentState.ACKNOWLEDGED
        assert [entry.event for entry in record.history] == ["opened", "acknowledged"]
