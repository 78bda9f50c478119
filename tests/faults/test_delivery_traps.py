"""What a card company's server may do to a delivery, and what the operator then sees.

Real servers: OpenSSH, asyncssh, and FTP with TLS. Each case says the state of the file, the words of its
last error and of the alarm; no case leaves a partial file under a final name.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

import asyncssh
import pytest
from pysequoia import Tsk

from cardops.rules.deliveries.records import ChargebackFileRecord, DeliveryState
from cardops.services.deliveries.probing import ProbeService
from simulation.card_companies import Faults
from tests.servers.file_servers import (
    SSHD,
    Server,
    card_companies,
    card_companies_here,
    free_port,
    ftps,
    openssh,
)
from tests.servers.flaky_proxy import troubled
from tests.servers.sender import Sender, expected_files, received

needs_sshd = pytest.mark.skipif(not Path(SSHD).exists(), reason="no OpenSSH server is installed")
MADE, FAILED, DELIVERED = DeliveryState.MADE, DeliveryState.FAILED, DeliveryState.DELIVERED
# Of 180 bytes each: more than the troubled servers take. Elsewhere the size does not matter.
MANY_ROWS = 600
FULL_AFTER_BYTES = 8 * 1024

STARTERS: dict[str, Callable[[Path], AbstractContextManager[Server]]] = {
    "asyncssh": card_companies_here,
    "asyncssh that denies renames": lambda home: card_companies_here(
        home, Faults(refuses_renames=True)
    ),
    "asyncssh read-only": lambda home: card_companies_here(home, Faults(refuses_writing=True)),
    "asyncssh with a full disk": lambda home: card_companies_here(home, Faults(quota_bytes=0)),
    "asyncssh whose disk fills up": lambda home: card_companies_here(
        home, Faults(quota_bytes=FULL_AFTER_BYTES)
    ),
    "asyncssh that loses the end": lambda home: card_companies_here(
        home, Faults(loses_the_end=True)
    ),
    "openssh": openssh,
    "openssh read-only": lambda home: openssh(home, "-R"),
    "openssh that denies renames": lambda home: openssh(home, "-P rename,posix-rename"),
    "openssh whose disk fills up": lambda home: openssh(home, max_file_bytes=FULL_AFTER_BYTES),
    "ftps": lambda home: ftps(home, "--limit-bytes", str(FULL_AFTER_BYTES)),
    "ftp without TLS": lambda home: ftps(home, "--plain"),
}


class Servers(dict[str, Server]):
    """Servers that are started when first needed."""

    def __init__(self, home: Path, stack: ExitStack) -> None:
        super().__init__()
        self._home = home
        self._stack = stack

    def __missing__(self, kind: str) -> Server:
        home = self._home / kind.replace(" ", "-")
        home.mkdir()
        self[kind] = self._stack.enter_context(STARTERS[kind](home))
        return self[kind]

    def empty(self, kind: str) -> Server:
        """The server, without the files of other tests."""
        server = self[kind]
        for path in server.inbox.iterdir():
            path.unlink()
        return server


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with ExitStack() as stack:
        yield Servers(tmp_path_factory.mktemp("servers"), stack)


@dataclass(frozen=True)
class Trap:
    """A server's kind, what is wrong, and what the operator sees: state, error, advice."""

    kind: str
    state: DeliveryState
    error: str
    advice: str
    secret: tuple[tuple[str, object], ...] = ()

    @property
    def row_count(self) -> int:
        return 100 if "disk" in self.kind or "full" in str(self) else 3

    def __str__(self) -> str:
        return "-".join([self.kind, *(f"{part}={value!s:.12}" for part, value in self.secret)])


A_HOST_KEY = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
A_PRIVATE_KEY = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
NO_FOLDER = "Check the folder with the card company"
NO_PERMISSION = "let this user create, read back, rename and delete"
NO_ROOM = "Ask the card company to make room"
NO_LOGIN = "Check user and password or key"
NO_SERVER = "Check host, port and firewall"

TRAPS = [
    *(
        Trap(kind, MADE, "cannot be reached", NO_SERVER, (("port", 1),))
        for kind in ("asyncssh", "openssh", "ftps")
    ),
    *(
        Trap(kind, FAILED, "host key that is not the pinned one", "another channel",
             (("host_key", A_HOST_KEY),))
        for kind in ("asyncssh", "openssh")
    ),
    *(
        Trap(kind, FAILED, "rejected these credentials", NO_LOGIN, (("password", "no"),))
        for kind in ("asyncssh", "ftps")
    ),
    Trap("openssh", FAILED, "rejected these credentials", NO_LOGIN,
         (("private_key", A_PRIVATE_KEY),)),
    *(
        Trap(kind, FAILED, "could not write /nowhere/", NO_FOLDER, (("folder", "/nowhere"),))
        for kind in ("asyncssh", "openssh")
    ),
    Trap("ftps", FAILED, "could not write /nowhere/", NO_FOLDER, (("folder", "/nowhere"),)),
    Trap("asyncssh read-only", FAILED, "denied permission", NO_PERMISSION),
    Trap("openssh read-only", FAILED, "denied permission", NO_PERMISSION),
    Trap("ftps", FAILED, "550 Not enough privileges", NO_PERMISSION, (("username", "readonly"),)),
    Trap("asyncssh that denies renames", FAILED, "could not rename", NO_PERMISSION),
    Trap("openssh that denies renames", FAILED, "could not rename", NO_PERMISSION),
    Trap("ftps", FAILED, "could not rename", NO_PERMISSION, (("username", "norename"),)),
    Trap("asyncssh with a full disk", MADE, "disk or this user's quota may be full", NO_ROOM),
    Trap("asyncssh whose disk fills up", MADE, "disk or this user's quota may be full", NO_ROOM),
    Trap("openssh whose disk fills up", MADE, "disk or this user's quota may be full", NO_ROOM),
    # With TLS this server only ends the connection; without it responds that it does so.
    Trap("ftps", MADE, "could not write", "tried again automatically", (("username", "full"),)),
    Trap("ftp without TLS", MADE, "426 ", "tried again automatically",
         (("protocol", "ftp"), ("username", "full"))),
    Trap("asyncssh that loses the end", MADE, "incomplete after writing", NO_ROOM),
    Trap("ftps", FAILED, "certificate that is not trusted", "certificate of its authority",
         (("ca_certificate", None),)),
    Trap("ftp without TLS", FAILED, "does not offer TLS", "certificate of its authority"),
    Trap("ftp without TLS", FAILED, "does not say its protocol", "destinations add visa",
         (("protocol", None),)),
    *(
        Trap("openssh" if client == "paramiko" else kind, state, error, advice,
             (*parts, ("sftp_client", client)))
        for client, kind, state, error, advice, parts in [
            ("paramiko", "openssh", MADE, "cannot be reached", NO_SERVER, (("port", 1),)),
            ("paramiko", "openssh", FAILED, "host key that is not", "another channel",
             (("host_key", A_HOST_KEY),)),
            ("paramiko", "openssh", FAILED, "rejected these credentials", NO_LOGIN,
             (("private_key", A_PRIVATE_KEY),)),
            ("paramiko", "openssh", FAILED, "could not write /nowhere/", NO_FOLDER,
             (("folder", "/nowhere"),)),
        ]
    ),
]  # fmt: skip


def marked(trap: Trap) -> object:
    return pytest.param(trap, id=str(trap), marks=needs_sshd if "openssh" in trap.kind else ())


@pytest.mark.parametrize("trap", [marked(trap) for trap in TRAPS])
def test_operator_sees_what_happened_and_what_to_do(servers: Servers, trap: Trap) -> None:
    server, sender = servers.empty(trap.kind), Sender(row_count=trap.row_count)
    changes = dict(trap.secret)
    secret = {part: value for part, value in (server.secret | changes).items() if value is not None}
    record = sender.deliver(secret)

    assert record.state is trap.state
    assert trap.error in str(record.last_error)
    assert trap.advice in str(record.last_error)
    assert not received(server), "a file has its final name"
    ((subject, message, runbook),) = sender.notifier.alarms
    is_paused = trap.state is MADE
    assert subject == (
        "Deliveries to visa are paused"
        if is_paused
        else f"Chargeback file {record.file_name} cannot be delivered to {record.destination}"
    )
    assert trap.error in message
    assert trap.advice in message
    assert runbook
    assert bool(sender.pauses) == is_paused, "only what may pass is tried again"
    # A small file still fits, and without TLS nothing was tried.
    if "without TLS" not in trap.kind and "fills up" not in trap.kind and "full" not in str(trap):
        probe = ProbeService(sender.destinations(), sender.breakers, sender.clock).probe("visa")
        assert not all(step.ok for step in probe), "a probe finds it too"


@pytest.mark.parametrize("kind", ["asyncssh", pytest.param("openssh", marks=needs_sshd), "ftps"])
def test_files_collected_at_once_are_delivered_and_never_sent_again(
    servers: Servers, kind: str, tmp_path: Path
) -> None:
    server, sender = servers.empty(kind), Sender()
    with collector(server.inbox, tmp_path):
        record = sender.deliver(server.secret)
        again = sender.deliver(server.secret)

    assert record.state is again.state is DELIVERED
    assert {path.name for path in tmp_path.iterdir()} == set(expected_files(record))
    assert not received(server)


@contextmanager
def collector(inbox: Path, target: Path) -> Iterator[None]:
    """A card company that takes every file with a final name as soon as it is there."""
    is_over = Event()

    def collect() -> None:
        for path in inbox.iterdir():
            if path.suffix != ".part":
                with suppress(FileNotFoundError):
                    assert not (target / path.name).exists(), "sent twice"
                    path.rename(target / path.name)

    def watch() -> None:
        while not is_over.wait(0.001):
            collect()

    thread = Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        collect()


@pytest.mark.parametrize(
    "kind", ["asyncssh", pytest.param("openssh", marks=[needs_sshd, pytest.mark.soak])]
)
def test_slow_line_is_no_stall(servers: Servers, kind: str) -> None:
    server, sender = servers.empty(kind), Sender(row_count=MANY_ROWS)
    with troubled(server.port, "slow", after_bytes=0) as (_, port):
        # The file takes several times as long as a stalled session would be waited for.
        record = sender.deliver(server.secret | {"port": port}, patience=0.5)

    assert (record.state, record.attempt_count) == (DELIVERED, 1)
    assert received(server) == expected_files(record)


def test_slow_line_of_ftp_is_no_stall(tmp_path: Path) -> None:
    sender = Sender(row_count=MANY_ROWS)
    with ftps(tmp_path) as server:
        started = time.monotonic()
        # All of it fits into what the system keeps for sending, so the client has long written it.
        record = sender.deliver(server.secret | {"username": "slow"}, patience=0.4)

        assert time.monotonic() - started > 2 * 0.4
        assert (record.state, record.attempt_count) == (DELIVERED, 1)
        assert received(server) == expected_files(record)


@pytest.mark.parametrize("after_bytes", [0, 900])
def test_ftp_server_that_says_nothing_more_is_retried(servers: Servers, after_bytes: int) -> None:
    server, sender = servers.empty("ftps"), Sender()
    with troubled(server.port, "stall", after_bytes=after_bytes) as (_, port):
        record = sender.deliver(server.secret | {"port": port}, patience=0.3)

    assert (record.state, record.attempt_count) == (DELIVERED, 2)
    assert received(server) == expected_files(record)


@pytest.mark.parametrize("user", ["cutting", "stalling"])
def test_broken_data_connection_of_ftp_is_retried(tmp_path: Path, user: str) -> None:
    sender = Sender(row_count=MANY_ROWS)
    with ftps(tmp_path, "--limit-bytes", str(FULL_AFTER_BYTES)) as server:
        record = sender.deliver(server.secret | {"username": user}, patience=1)

        assert (record.state, record.attempt_count) == (DELIVERED, 2)
        assert received(server) == expected_files(record)
    assert any("could not write" in line for line in sender.lines)


def test_restarted_server_gets_the_rest(tmp_path: Path) -> None:
    sender, port = Sender(row_count=MANY_ROWS), str(free_port())
    with ExitStack() as running:
        server = running.enter_context(ftps(tmp_path, "--port", port))
        sender.during_write = running.close
        sender.during_pause = lambda: restarted(running, tmp_path, port, sender)
        # The certificate is made anew; the new one is what the card company announced.
        record = sender.deliver(server.secret)

        assert record.state is DELIVERED
        assert record.attempt_count == 2
        assert received(server) == expected_files(record)


def restarted(running: ExitStack, home: Path, port: str, sender: Sender) -> None:
    server = running.enter_context(ftps(home, "--port", port))
    sender.secrets.put("destinations/visa", server.secret)


CUTS = [
    *(
        pytest.param("asyncssh", client, rounds, marks=pytest.mark.soak if rounds > 3 else ())
        for client in ("asyncssh", "paramiko")
        for rounds in (3, 20)
    ),
    *(
        pytest.param("openssh", client, 20, marks=[needs_sshd, pytest.mark.soak])
        for client in ("asyncssh", "paramiko")
    ),
]


@pytest.mark.parametrize(("kind", "client", "rounds"), CUTS)
def test_connection_cut_at_random_bytes_leaves_whole_files(
    servers: Servers, kind: str, client: str, rounds: int
) -> None:
    server = servers[kind]
    seed = random.randrange(1 << 32)  # noqa: S311 - shown, so that a failure can be repeated
    chance = random.Random(seed)  # noqa: S311
    for number in range(rounds):
        servers.empty(kind)
        sender, after = Sender(row_count=400), chance.randrange(130_000)
        with troubled(server.port, "cut", after_bytes=after) as (_, port):
            record = sender.deliver(
                server.secret | {"port": port, "sftp_client": client}, patience=1
            )

        assert record.state is DELIVERED, f"seed {seed}, round {number}, cut after {after} bytes"
        assert received(server) == expected_files(record)


@pytest.mark.soak
def test_ftp_transfer_cut_at_random_bytes_leaves_whole_files(tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)  # noqa: S311 - shown, so that a failure can be repeated
    chance = random.Random(seed)  # noqa: S311
    for number in range(20):
        sender, after = Sender(row_count=400), chance.randrange(70_000)
        with ftps(tmp_path / str(number), "--limit-bytes", str(after)) as server:
            record = sender.deliver(server.secret | {"username": "cutting"}, patience=1)

            assert record.state is DELIVERED, f"seed {seed}, round {number}, cut after {after}"
            assert received(server) == expected_files(record)


@pytest.mark.soak
@pytest.mark.parametrize(
    ("kind", "client"),
    [
        ("asyncssh", "asyncssh"),
        ("asyncssh", "paramiko"),
        pytest.param("openssh", "asyncssh", marks=needs_sshd),
        pytest.param("openssh", "paramiko", marks=needs_sshd),
    ],
)
def test_restarted_sftp_server_gets_the_rest(tmp_path: Path, kind: str, client: str) -> None:
    sender, port = Sender(row_count=MANY_ROWS), free_port()

    def start() -> Server:
        if kind == "openssh":
            return running.enter_context(openssh(tmp_path, port=port))
        return running.enter_context(card_companies(tmp_path, "--port", str(port)))

    def restart() -> None:
        # A server with a new key is another one, unless its card company announced the key.
        sender.secrets.put("destinations/visa", start().secret | {"sftp_client": client})

    with ExitStack() as running:
        server = start()
        sender.during_write = running.close
        sender.during_pause = restart
        record: ChargebackFileRecord = sender.deliver(server.secret | {"sftp_client": client})

        assert (record.state, record.attempt_count) == (DELIVERED, 2)
        assert received(server) == expected_files(record)


@pytest.mark.parametrize(
    "kind",
    [
        "asyncssh",
        pytest.param("openssh", marks=[needs_sshd, pytest.mark.soak]),
        pytest.param("ftps", marks=pytest.mark.soak),
    ],
)
def test_expired_openpgp_certificate_sends_nothing_to_a_real_server(
    servers: Servers, kind: str
) -> None:
    server, sender = servers.empty(kind), Sender()
    certificate = Tsk.generate("Visa", validity_seconds=60).extract_certificate()
    sender.clock.at = datetime.now(UTC) + timedelta(hours=1)
    record = sender.deliver(server.secret | {"openpgp_certificate": str(certificate)})

    assert (record.state, record.attempt_count) == (FAILED, 1)
    assert "the certificate expired on" in str(record.last_error)
    assert "Ask the card company for its current OpenPGP certificate" in str(record.last_error)
    assert not list(server.inbox.iterdir())
    ((subject, _, _),) = sender.notifier.alarms
    assert "cannot be delivered to" in subject
