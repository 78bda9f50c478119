"""Delivery with wrong keys and passwords, stalls, full disks, refused renames and lost connections."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import asyncssh
import pytest

from cardops.rules.deliveries.recipe import MAX_ATTEMPTS
from cardops.rules.deliveries.records import DeliveryState
from cardops.rules.deliveries.troubles import RUNBOOK
from simulation.card_companies import Faults
from tests.servers.file_servers import (
    SSHD,
    Server,
    card_companies_here,
    ftps,
    openssh,
    write_certificate,
)
from tests.servers.flaky_proxy import troubled
from tests.servers.sender import Sender, expected_files, received
from tests.servers.starvation import Starvation

needs_sshd = pytest.mark.skipif(not Path(SSHD).exists(), reason="no OpenSSH server is installed")
SFTP = ["asyncssh", pytest.param("openssh", marks=needs_sshd)]
ALL = [*SFTP, "ftps"]
STARTERS: dict[str, Callable[[Path], AbstractContextManager[Server]]] = {
    "asyncssh": card_companies_here,
    "openssh": openssh,
    "ftps": ftps,
}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    """Servers that are started when first needed."""
    home = tmp_path_factory.mktemp("servers")

    class Lazily(dict[str, Server]):
        def __missing__(self, kind: str) -> Server:
            self[kind] = stack.enter_context(STARTERS[kind](home / kind))
            return self[kind]

    with ExitStack() as stack:
        yield Lazily()


@pytest.fixture
def server(servers: dict[str, Server], kind: str) -> Server:
    found = servers[kind]
    for path in found.inbox.iterdir():
        path.unlink()
    return found


@pytest.mark.parametrize("kind", ALL)
def test_both_files_are_delivered_without_retry(server: Server) -> None:
    sender = Sender()
    record = sender.deliver(server.secret)

    assert record.state is DeliveryState.DELIVERED
    assert record.remote_path == f"{server.secret['folder']}/{record.file_name}"
    assert received(server) == expected_files(sender.record)
    assert not sender.pauses
    assert not sender.notifier.alarms


@pytest.mark.parametrize("kind", SFTP)
@pytest.mark.parametrize("algorithm", ["ssh-ed25519", "ecdsa-sha2-nistp256"])
def test_server_with_another_host_key_receives_nothing(server: Server, algorithm: str) -> None:
    sender = Sender()
    stranger = asyncssh.generate_private_key(algorithm).export_public_key().decode()
    record = sender.deliver(server.secret | {"host_key": stranger})

    assert record.state is DeliveryState.FAILED
    assert "host key" in str(record.last_error)
    assert [(alarm[2]) for alarm in sender.notifier.alarms] == [RUNBOOK]
    assert not sender.pauses, "a wrong host key is no reason to try again"
    assert not received(server)


def test_server_with_another_certificate_receives_nothing(
    servers: dict[str, Server], tmp_path: Path
) -> None:
    sender = Sender()
    stranger = write_certificate(tmp_path / "stranger.pem")
    record = sender.deliver(servers["ftps"].secret | {"ca_certificate": stranger})

    assert record.state is DeliveryState.FAILED
    assert "certificate" in str(record.last_error)
    assert not sender.pauses


@pytest.mark.parametrize("kind", ["asyncssh", "ftps"])
def test_wrong_password_is_not_retried(server: Server) -> None:
    sender = Sender()
    record = sender.deliver(server.secret | {"password": "not-this-one"})

    assert record.state is DeliveryState.FAILED
    assert record.attempt_count == 1
    assert "credentials" in str(record.last_error)
    assert "not-this-one" not in str(record.last_error)
    assert not received(server)


@needs_sshd
@pytest.mark.parametrize("kind", ["openssh"])
def test_wrong_private_key_is_not_retried(server: Server) -> None:
    sender = Sender()
    stranger = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    record = sender.deliver(server.secret | {"private_key": stranger})

    assert record.state is DeliveryState.FAILED
    assert record.attempt_count == 1


@pytest.mark.parametrize("kind", ALL)
def test_unreachable_server_is_retried_a_few_times_and_later(server: Server) -> None:
    sender = Sender()
    nobody = server.secret | {"port": 1}

    record = sender.deliver(nobody)
    assert record.state is DeliveryState.MADE
    assert record.attempt_count == MAX_ATTEMPTS
    assert len(sender.pauses) == MAX_ATTEMPTS - 1
    ((subject, message, runbook),) = sender.notifier.alarms
    assert (subject, runbook) == ("Deliveries to visa are paused", RUNBOOK)
    assert "cannot be reached" in message
    assert "Check host, port and firewall" in str(record.last_error)

    waiting = sender.deliver(server.secret)
    assert (waiting.state, waiting.attempt_count) == (DeliveryState.MADE, MAX_ATTEMPTS)
    assert str(waiting.last_error).startswith("visa is left alone until 2026-11-20 12:0")
    sender.clock.advance(minutes=1)
    assert sender.deliver(server.secret).state is DeliveryState.DELIVERED
    assert len(sender.notifier.alarms) == 1


@pytest.mark.parametrize("kind", SFTP)
@pytest.mark.parametrize("after_bytes", [10, 1_000, 3_000, 20_000])
def test_connection_cut_at_any_point_is_retried(server: Server, after_bytes: int) -> None:
    sender = Sender(row_count=200)
    with troubled(server.port, "cut", after_bytes=after_bytes) as (proxy, port):
        record = sender.deliver(server.secret | {"port": port})

    assert record.state is DeliveryState.DELIVERED
    assert proxy.connections == record.attempt_count == 2
    assert received(server) == expected_files(sender.record)


@pytest.mark.parametrize("client", ["asyncssh", pytest.param("paramiko", marks=pytest.mark.soak)])
@pytest.mark.parametrize("kind", SFTP)
@pytest.mark.parametrize("after_bytes", [0, 50_000])
def test_stalled_session_ends_by_timeout(server: Server, after_bytes: int, client: str) -> None:
    sender = Sender(row_count=2_000)
    starved, started = Starvation(), time.monotonic()
    with troubled(server.port, "stall", after_bytes=after_bytes) as (_, port):
        record = sender.deliver(server.secret | {"port": port, "sftp_client": client}, patience=1)

    assert record.state is DeliveryState.DELIVERED
    assert record.attempt_count == 2
    assert time.monotonic() - started - starved.seconds() < 20


def test_full_disk_leaves_nothing_under_a_final_name(tmp_path: Path) -> None:
    sender = Sender(row_count=2_000)
    with card_companies_here(tmp_path, Faults(quota_bytes=100_000)) as server:
        record = sender.deliver(server.secret)

        assert record.state is DeliveryState.MADE
        assert record.attempt_count == MAX_ATTEMPTS
        assert not received(server)
    sender.clock.advance(minutes=1)
    with card_companies_here(tmp_path) as server:
        assert sender.deliver(server.secret).state is DeliveryState.DELIVERED
        assert received(server) == expected_files(sender.record)


def test_refused_rename_raises_one_alarm_and_leaves_no_file(tmp_path: Path) -> None:
    sender = Sender()
    with card_companies_here(tmp_path, Faults(refuses_renames=True)) as server:
        record = sender.deliver(server.secret)

        assert record.state is DeliveryState.FAILED
        assert "permission" in str(record.last_error)
        assert len(sender.notifier.alarms) == 1
        assert not received(server)


def test_size_decides_where_reading_is_forbidden(tmp_path: Path) -> None:
    sender = Sender()
    with card_companies_here(tmp_path, Faults(refuses_reading=True)) as server:
        assert sender.deliver(server.secret).state is DeliveryState.DELIVERED
        assert received(server) == expected_files(sender.record)


@pytest.mark.parametrize("kind", ALL)
def test_different_file_of_the_same_name_is_never_overwritten(server: Server) -> None:
    sender = Sender()
    (server.inbox / sender.record.file_name).write_bytes(b"not ours")
    record = sender.deliver(server.secret)

    assert record.state is DeliveryState.FAILED
    assert (server.inbox / sender.record.file_name).read_bytes() == b"not ours"


@pytest.mark.parametrize("kind", ALL)
def test_existing_files_are_not_sent_again(server: Server) -> None:
    sender = Sender()
    sender.deliver(server.secret)
    before = {path.name: path.stat().st_mtime_ns for path in server.inbox.iterdir()}
    again = Sender()

    assert again.deliver(server.secret).state is DeliveryState.DELIVERED
    assert {path.name: path.stat().st_mtime_ns for path in server.inbox.iterdir()} == before


def test_file_changed_in_the_store_is_not_sent() -> None:
    sender = Sender()
    (key,) = [key for key in sender.store.contents if key.endswith(".csv")]
    sender.store.replace(key, b"changed")
    record = sender.deliver({"protocol": "sftp"} | dict.fromkeys(("host", "username"), "x"))

    assert record.state is DeliveryState.FAILED


def test_secret_without_protocol_is_refused_with_what_to_add() -> None:
    sender = Sender()
    record = sender.deliver({"host": "x", "username": "u", "password": "p", "port": "21"})

    assert record.state is DeliveryState.FAILED
    assert '"protocol": "ftp"' in str(record.last_error)
