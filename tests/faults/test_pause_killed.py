"""A process is killed while it pauses a destination: the alarm is raised by whoever comes next."""

from pathlib import Path

import pytest

from cardops.adapters.object_stores.directory import DirectoryStore
from cardops.adapters.postgresql.breakers import PostgresBreakers
from cardops.adapters.postgresql.deliveries import PostgresDeliveryLedger
from cardops.rules.deliveries.breakers import Breaker
from cardops.services.deliveries.retrying import RetryService
from tests.factories.deliveries import a_made_file
from tests.fakes.clock import FakeClock
from tests.servers.file_notifier import FileNotifier
from tests.servers.file_servers import card_companies_here
from tests.servers.killable_pause import deliver_and_die_pausing
from tests.servers.warm_command import warm_context

# Each of its steps takes a process of its own; tests/services/deliveries/test_breakers.py has one in memory.
pytestmark = [pytest.mark.database, pytest.mark.soak]
KILLED = -9
# Four failed sessions, each a change of the breaker; the fourth opens it, is told, and that recorded.
AFTER_OPENING, AFTER_TELLING, EVERY_STEP = 8, 10, range(1, 14)
REFUSED_STEPS = range(1, 8)


def plan_later(url: str, home: Path) -> None:
    """What the sensor does some minutes after."""
    clock = FakeClock()
    clock.advance(minutes=3)
    notifier = FileNotifier(home / "alarms", clock)
    RetryService(PostgresDeliveryLedger(url), notifier, PostgresBreakers(url)).plan(
        clock.now(), counts={}, busy_batches=set()
    )


def alarms_after_a_kill(
    url: str, home: Path, secret: dict[str, object], dies_at: int
) -> tuple[int, list[str]]:
    """The exit code, and the alarms of that process and of two that come after it."""
    breakers, batch_id = PostgresBreakers(url), f"{home.name}-{dies_at}"
    breakers.change("visa", lambda _: Breaker())
    a_made_file(PostgresDeliveryLedger(url), DirectoryStore(home), batch_id)
    (home / "alarms").write_text("")
    process = warm_context().Process(
        target=deliver_and_die_pausing, args=(url, home, secret, batch_id, dies_at)
    )
    process.start()
    process.join(60)
    for _ in range(2):
        plan_later(url, home)
    is_paused = not breakers.find("visa").is_closed
    alarms = (home / "alarms").read_text().splitlines()
    assert bool(alarms) == is_paused, f"step {dies_at}"
    return process.exitcode or 0, alarms


def test_alarm_of_a_pause_survives_its_process(module_database_url: str, tmp_path: Path) -> None:
    secret: dict[str, object] = {"protocol": "ftp", "host": "127.0.0.1", "port": 1, "folder": "/"}
    secret |= {"username": "acme", "password": "x"}
    codes = []
    for dies_at in EVERY_STEP:
        code, alarms = alarms_after_a_kill(module_database_url, tmp_path, secret, dies_at)
        codes.append(code)
        # Between telling and recording that, nobody can know that operators were told.
        assert len(alarms) <= (2 if dies_at in {AFTER_TELLING, AFTER_TELLING + 1} else 1)
        assert all("Deliveries to visa are paused" in line for line in alarms)

    assert codes[:AFTER_OPENING] == [KILLED] * AFTER_OPENING
    assert codes[-1] == 0, "too few steps to prove anything"


def test_alarm_of_rejected_credentials_survives_its_process(
    module_database_url: str, tmp_path: Path
) -> None:
    codes = []
    with card_companies_here(tmp_path / "server") as server:
        for dies_at in REFUSED_STEPS:
            secret = server.secret | {"password": "no"}
            code, alarms = alarms_after_a_kill(module_database_url, tmp_path, secret, dies_at)
            codes.append(code)
            assert len(alarms) <= 2, f"step {dies_at}"

    assert codes[0] == KILLED
    assert codes[-1] == 0, "too few steps to prove anything"
