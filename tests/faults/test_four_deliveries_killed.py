"""A process that delivers to four card companies at once is killed at each of its steps.

Afterwards another process finishes, and each final file is there whole exactly once, as the ledger says.
OpenSSH, asyncssh (by both SFTP clients) and FTP with TLS at once.
"""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cardops.adapters.object_stores.directory import DirectoryStore
from cardops.adapters.postgresql.breakers import PostgresBreakers
from cardops.adapters.postgresql.deliveries import PostgresDeliveryLedger
from cardops.rules.deliveries.records import ChargebackFileRecord, DeliveryState
from simulation.card_companies import CardCompanies
from tests.factories.deliveries import a_made_file
from tests.servers.file_servers import SSHD, card_companies, ftps, openssh
from tests.servers.killable_delivery import SURVIVED, deliver_all_and_die
from tests.servers.warm_command import warm_context

pytestmark = pytest.mark.database

NETWORKS = ("visa", "mastercard", "amex", "discover")
KILLED = -9
# Four deliveries take some 110 steps; these are spread over all of them.
SAMPLE = [12, 47, 83]
EVERY_STEP = range(1, 200)
DELIVERED, UNCONFIRMED = DeliveryState.DELIVERED, DeliveryState.DELIVERED_UNCONFIRMED


@dataclass
class FourCompanies:
    """Four servers, a real ledger, and processes that deliver to all of them and can be killed."""

    url: str
    processed: Path
    secrets: dict[str, dict[str, object]] = field(default_factory=dict)
    inboxes: dict[str, Path] = field(default_factory=dict)

    @property
    def ledger(self) -> PostgresDeliveryLedger:
        return PostgresDeliveryLedger(self.url)

    def make_files(self, batch_id: str) -> dict[str, ChargebackFileRecord]:
        store = DirectoryStore(self.processed)
        return {
            network: a_made_file(self.ledger, store, batch_id, network=network)
            for network in NETWORKS
        }

    def deliver(self, batch_id: str, dies_at: int | None = None) -> int:
        """Deliver in a separate process; returns its exit code."""
        values = (self.url, self.processed, self.secrets, batch_id, dies_at)
        process = warm_context().Process(target=deliver_all_and_die, args=values)
        process.start()
        process.join(60)
        assert process.exitcode is not None, "the delivery hangs"
        return process.exitcode

    def states(self, batch_id: str) -> dict[str, DeliveryState]:
        return {record.network: record.state for record in self.ledger.files_of(batch_id)}

    def finals(self) -> dict[str, dict[str, str]]:
        """Hash of each file with a final name, by network."""
        return {
            network: {
                path.name: hashlib.sha256(path.read_bytes()).hexdigest()
                for path in inbox.iterdir()
                if path.suffix != ".part"
            }
            for network, inbox in self.inboxes.items()
        }

    def collect(self) -> dict[str, dict[str, str]]:
        """The card companies collect their files, and what was left of others is removed."""
        found = self.finals()
        for inbox in self.inboxes.values():
            for path in inbox.iterdir():
                if path.suffix != ".part":
                    path.unlink()
        return found


@pytest.fixture(scope="module")
def companies(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FourCompanies]:
    home = tmp_path_factory.mktemp("four")
    (home / "processed").mkdir()
    four = FourCompanies(module_database_url, home / "processed")
    with ExitStack() as stack:
        simulated = stack.enter_context(card_companies(home / "asyncssh"))
        known = CardCompanies(home / "asyncssh")
        for network in NETWORKS:
            four.secrets[network] = known.secret(network, simulated.port)
            four.inboxes[network] = known.inbox(network)
        four.secrets["discover"]["sftp_client"] = "paramiko"
        others = {"amex": ftps} | ({"mastercard": openssh} if Path(SSHD).exists() else {})
        for network, start in others.items():
            server = stack.enter_context(start(home / network))
            four.secrets[network], four.inboxes[network] = server.secret, server.inbox
        yield four


def expected_files(record: ChargebackFileRecord) -> dict[str, str]:
    return {
        record.file_name: record.content_sha256,
        f"{record.file_name}.ctl": record.control_sha256,
    }


def kill_at(
    companies: FourCompanies, name: str, steps: "list[int] | range"
) -> Iterator[tuple[str, dict[str, ChargebackFileRecord]]]:
    """One batch for each step, its deliveries killed there, until they survive."""
    for dies_at in steps:
        batch_id = f"{name}-{dies_at}"
        records = companies.make_files(batch_id)
        code = companies.deliver(batch_id, dies_at)
        assert code in {KILLED, SURVIVED}
        if code == SURVIVED:
            assert dies_at > 100, "too few steps to prove anything"
            companies.collect()
            return
        yield batch_id, records


STEPS = [
    pytest.param(SAMPLE, id="sample"),
    pytest.param(EVERY_STEP, id="every", marks=[pytest.mark.soak, pytest.mark.timeout(3600)]),
]


@pytest.mark.parametrize("steps", STEPS)
def test_each_final_file_is_whole_exactly_once_after_a_kill(
    companies: FourCompanies, steps: "list[int] | range"
) -> None:
    for batch_id, records in kill_at(companies, f"again-{len(steps)}", steps):
        for network, found in companies.finals().items():
            assert found.items() <= expected_files(records[network]).items(), "not whole"

        assert companies.deliver(batch_id) == 0
        ledger = {record.network: record for record in companies.ledger.files_of(batch_id)}
        assert companies.finals() == {
            network: expected_files(record) for network, record in ledger.items()
        }
        assert ledger.keys() == records.keys()
        for network, record in ledger.items():
            assert record.state is DELIVERED
            assert record.content_sha256 == records[network].content_sha256
            assert str(record.remote_path).endswith(f"/{record.file_name}")
        assert all(breaker.is_closed for breaker in PostgresBreakers(companies.url).all().values())
        companies.collect()


@pytest.mark.parametrize("steps", STEPS[1:])
def test_files_collected_after_a_kill_are_never_sent_again(
    companies: FourCompanies, steps: "list[int] | range"
) -> None:
    for batch_id, records in kill_at(companies, "collected", steps):
        collected = companies.collect()
        assert companies.deliver(batch_id) == 0
        later = companies.collect()

        for network, state in companies.states(batch_id).items():
            assert not collected[network].keys() & later[network].keys(), "sent twice"
            received = collected[network] | later[network]
            assert state in {DELIVERED, UNCONFIRMED}
            if state is DELIVERED:
                assert received == expected_files(records[network])
            else:
                assert collected[network], "nothing was collected, so nothing is uncertain"
