"""A delivering process is killed at each of its steps: nothing is partial, nothing is sent twice."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from cardops.adapters.object_stores.directory import DirectoryStore
from cardops.adapters.postgresql.deliveries import PostgresDeliveryLedger
from cardops.rules.deliveries.records import ChargebackFileRecord, DeliveryState
from tests.factories.deliveries import a_made_file
from tests.servers.file_servers import SSHD, Server, card_companies, ftps, openssh
from tests.servers.killable_delivery import deliver_and_die
from tests.servers.warm_command import warm_context

pytestmark = pytest.mark.database

needs_sshd = pytest.mark.skipif(not Path(SSHD).exists(), reason="no OpenSSH server is installed")
SERVERS: dict[str, Callable[[Path], AbstractContextManager[Server]]] = {
    "asyncssh": card_companies,
    "openssh": openssh,
    "ftps": ftps,
}
KILLED = -9
# A delivery has some thirty steps. Here one test has the odd ones and one the even ones; `make soak` has all for both.
SOME, ALL = 2, 1
SOAK = [pytest.mark.soak, pytest.mark.timeout(900)]


@dataclass
class KillableDelivery:
    """A real server, a real ledger, and processes that deliver files and can be killed."""

    server: Server
    url: str
    processed: Path

    @property
    def ledger(self) -> PostgresDeliveryLedger:
        return PostgresDeliveryLedger(self.url)

    def make_file(self, batch_id: str, evidence: bytes | None = None) -> ChargebackFileRecord:
        self.processed.mkdir(exist_ok=True)
        store = DirectoryStore(self.processed)
        return a_made_file(self.ledger, store, batch_id, evidence=evidence)

    def deliver(self, batch_id: str, dies_at: int | None = None) -> int:
        """Deliver in a separate process; returns its exit code."""
        values = (self.url, self.processed, self.server.secret, batch_id, dies_at)
        process = warm_context().Process(target=deliver_and_die, args=values)
        process.start()
        process.join(60)
        assert process.exitcode is not None, "the delivery hangs"
        return process.exitcode

    def state(self, batch_id: str) -> DeliveryState:
        record = self.ledger.find(batch_id, "visa")
        assert record is not None
        return record.state

    def finals(self) -> dict[str, str]:
        """Hash of each file with a final name."""
        return {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in self.server.inbox.iterdir()
            if path.suffix != ".part"
        }

    def collect(self) -> list[str]:
        """The card company collects the files with a final name."""
        names = list(self.finals())
        for name in names:
            (self.server.inbox / name).unlink()
        return names


@pytest.fixture(
    scope="module",
    params=[
        "asyncssh",
        pytest.param("openssh", marks=[needs_sshd, pytest.mark.soak]),
        pytest.param("ftps", marks=pytest.mark.soak),
    ],
)
def killable(
    request: pytest.FixtureRequest,
    module_database_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[KillableDelivery]:
    home = tmp_path_factory.mktemp(request.param)
    with SERVERS[request.param](home / "server") as server:
        yield KillableDelivery(server, module_database_url, home / "processed")


def expected_files(record: ChargebackFileRecord) -> dict[str, str]:
    return dict(zip(record.names, record.hashes, strict=True))


def kill_at_steps(
    killable: KillableDelivery, name: str, steps: range
) -> Iterator[tuple[str, ChargebackFileRecord]]:
    """One batch for each step, its delivery killed at that step, until a delivery survives."""
    for dies_at in steps:
        record = killable.make_file(f"{name}-{killable.server.port}-{dies_at}")
        code = killable.deliver(record.batch_id, dies_at)
        assert code in {0, KILLED}
        if code == 0:
            assert dies_at > 25, "too few steps to prove anything"
            killable.collect()
            return
        yield record.batch_id, record


@pytest.mark.parametrize("every", [SOME, pytest.param(ALL, marks=SOAK)])
def test_killed_delivery_leaves_no_partial_file_and_a_rerun_finishes(
    killable: KillableDelivery, every: int
) -> None:
    steps = range(1, 100, every)
    for batch_id, record in kill_at_steps(killable, f"again-{every}", steps):
        found = killable.finals()
        assert found.items() <= expected_files(record).items(), "a final name has other content"
        assert f"{record.file_name}.ctl" not in found or record.file_name in found

        assert killable.deliver(batch_id) == 0
        assert killable.finals() == expected_files(record)
        assert killable.state(batch_id) is DeliveryState.DELIVERED
        killable.collect()


@pytest.mark.parametrize("every", [SOME, pytest.param(ALL, marks=SOAK)])
def test_files_collected_between_kill_and_rerun_are_not_sent_again(
    killable: KillableDelivery, every: int
) -> None:
    steps = range(min(2, every), 100, every)
    for batch_id, record in kill_at_steps(killable, f"collected-{every}", steps):
        collected = killable.collect()
        assert killable.deliver(batch_id) == 0
        received = collected + killable.collect()

        assert len(received) == len(set(received)), "sent twice"
        state = killable.state(batch_id)
        if state is DeliveryState.DELIVERED:
            assert set(received) == set(expected_files(record))
        else:
            assert state is DeliveryState.DELIVERED_UNCONFIRMED
            assert collected, "nothing was collected, so nothing is uncertain"


def test_process_that_is_not_killed_delivers(killable: KillableDelivery) -> None:
    record = killable.make_file(f"alive-{killable.server.port}")

    assert killable.deliver(record.batch_id) == 0
    assert killable.finals() == expected_files(record)
    killable.collect()


@pytest.mark.soak
def test_killed_delivery_with_evidence_leaves_whole_files_and_a_rerun_finishes(
    killable: KillableDelivery,
) -> None:
    for dies_at in range(1, 100):
        batch_id = f"evidence-{killable.server.port}-{dies_at}"
        record = killable.make_file(batch_id, evidence=b"PK archive of evidence " * 50)
        code = killable.deliver(batch_id, dies_at)
        found = killable.finals()
        assert found.items() <= expected_files(record).items()
        csv, control, evidence = record.names
        assert csv not in found or evidence in found
        assert control not in found or csv in found

        assert killable.deliver(batch_id) == 0
        assert killable.finals() == expected_files(record)
        assert killable.state(batch_id) is DeliveryState.DELIVERED
        killable.collect()
        if code == 0:
            assert dies_at > 35, "too few steps to prove anything"
            return
