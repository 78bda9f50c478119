"""A wrong password is tried once, however many files wait: card companies lock accounts after a few."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncssh
import pytest

from cardops.adapters.file_delivery.destinations import SecretDestinations
from cardops.adapters.file_delivery.timeouts import Timeouts
from cardops.rules.deliveries.records import DeliveryState
from cardops.services.deliveries.concurrent import deliver_all
from cardops.services.deliveries.retrying import RetryService
from simulation import card_companies as simulated
from tests.fakes.secrets import FakeSecretStore
from tests.servers.file_servers import SSHD, Server, card_companies_here, ftps, openssh
from tests.services.deliveries.delivering import World

needs_sshd = pytest.mark.skipif(not Path(SSHD).exists(), reason="no OpenSSH server is installed")
FILES = 4
FAILED, MADE, DELIVERED = DeliveryState.FAILED, DeliveryState.MADE, DeliveryState.DELIVERED
Counted = tuple[Server, dict[str, object], Callable[[], int]]


@contextmanager
def counted(kind: str, home: Path) -> Iterator[Counted]:
    """A server, the credentials that it rejects, and how many log-ins it rejected so far."""
    if kind == "openssh":
        stranger = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
        with openssh(home) as server:
            yield (
                server,
                {"private_key": stranger},
                lambda: logged(home / "sshd.log", "by authenticating user"),
            )
    elif kind == "ftps":
        with ftps(home) as server:
            yield (
                server,
                {"password": "no"},
                lambda: logged(home / "ftps.log", "failed login"),
            )
    else:
        tried = list[str]()
        with card_companies_here(home) as server, pytest.MonkeyPatch.context() as patched:
            validate = simulated._LoginServer.validate_password

            def watched(login: simulated._LoginServer, username: str, password: str) -> bool:
                tried.append(password)
                return validate(login, username, password)

            patched.setattr(simulated._LoginServer, "validate_password", watched)
            yield (
                server,
                {"password": "no", "sftp_client": kind},
                lambda: tried.count("no"),
            )


def logged(log: Path, words: str) -> int:
    """How often the log says so; its server writes it a moment after the session has ended."""
    ends_at = time.monotonic() + 5
    while not (found := log.read_text().count(words)) and time.monotonic() < ends_at:
        time.sleep(0.01)
    return found


@pytest.mark.parametrize(
    "kind", ["asyncssh", "paramiko", pytest.param("openssh", marks=needs_sshd), "ftps"]
)
def test_rejected_credentials_are_tried_once_for_all_files(kind: str, tmp_path: Path) -> None:
    world = World()
    for number in range(FILES):
        world.make_file(f"b-{number}")
    with counted(kind, tmp_path) as (server, wrong, rejected):
        secrets = FakeSecretStore({"destinations/visa": server.secret | wrong})
        service = world.service(SecretDestinations(secrets, Timeouts(5, 5, 5, 5)))

        records = deliver_all(service, world.ledger.all())
        world.clock.advance(hours=12)
        plan = RetryService(world.ledger, world.notifier, world.breakers).plan(
            world.clock.now(), counts={}, busy_batches=set()
        )

        assert rejected() == 1
        assert sorted(record.state for record in records) == [FAILED, *[MADE] * (FILES - 1)]
        assert not plan.to_deliver
        ((subject, message, _),) = world.notifier.alarms
        assert "cannot be delivered to" in subject
        assert "rejected these credentials" in message
        assert "its other files wait" in message
        waiting = next(record for record in records if record.state is MADE)
        assert "after its session was refused: " in str(waiting.last_error)

        # The operator has given the right ones, and delivers the file that failed.
        secrets.put("destinations/visa", server.secret)
        failed = next(record for record in records if record.state is FAILED)
        assert service.retry(failed.batch_id, "visa", None, "ann")
        records = deliver_all(service, world.ledger.all())
        assert {record.state for record in records} == {DELIVERED}
        assert world.breakers.find("visa").is_closed
