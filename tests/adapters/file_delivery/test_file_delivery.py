"""One contract for every FileDelivery: in memory, SFTP on two servers, FTP with TLS."""

import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cardops.adapters.file_delivery.destinations import SecretDestinations
from cardops.adapters.file_delivery.timeouts import Timeouts
from cardops.ports import FileDelivery
from cardops.rules.deliveries.records import PermanentDeliveryError
from tests.fakes.destinations import FakeDestinations
from tests.fakes.secrets import FakeSecretStore
from tests.servers.file_servers import SSHD, Server, card_companies_here, ftps, openssh

needs_sshd = pytest.mark.skipif(not Path(SSHD).exists(), reason="no OpenSSH server is installed")
KINDS = ["fake", "asyncssh", pytest.param("openssh", marks=needs_sshd), "ftps"]
PATIENCE = Timeouts(5, 5, 5, 5)


def open_session(server: Server, **changes: object) -> FileDelivery:
    secrets = FakeSecretStore({"destinations/visa": server.secret | changes})
    return SecretDestinations(secrets, PATIENCE).connect("visa")


@pytest.fixture(scope="module")
def asyncssh_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with card_companies_here(tmp_path_factory.mktemp("companies")) as server:
        yield server


@pytest.fixture(scope="module")
def openssh_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with openssh(tmp_path_factory.mktemp("openssh")) as server:
        yield server


@pytest.fixture(scope="module")
def ftps_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with ftps(tmp_path_factory.mktemp("ftps")) as server:
        yield server


@pytest.fixture(params=KINDS)
def opened(request: pytest.FixtureRequest) -> Iterator[tuple[FileDelivery, str]]:
    """An open session, and a folder without files of this test."""
    if request.param == "fake":
        yield FakeDestinations().connect("visa"), "/inbox"
        return
    server: Server = request.getfixturevalue(f"{request.param}_server")
    for left_over in server.inbox.iterdir():
        left_over.unlink()
    session = open_session(server)
    yield session, str(server.secret["folder"])
    session.close()


@pytest.mark.parametrize("size", [0, 1, 32_480, 1_000_003])
def test_written_file_is_read_back_unchanged(opened: tuple[FileDelivery, str], size: int) -> None:
    session, folder = opened
    content = os.urandom(size)
    session.write(f"{folder}/a.csv.part", io.BytesIO(content))

    found = session.stat(f"{folder}/a.csv.part")
    assert found is not None
    assert found.size_bytes == size
    assert session.read_sha256(f"{folder}/a.csv.part") == hashlib.sha256(content).hexdigest()


def test_second_write_replaces_the_whole_file(opened: tuple[FileDelivery, str]) -> None:
    session, folder = opened
    session.write(f"{folder}/a.part", io.BytesIO(b"longer than the next"))
    session.write(f"{folder}/a.part", io.BytesIO(b"short"))

    assert session.read_sha256(f"{folder}/a.part") == hashlib.sha256(b"short").hexdigest()


def test_missing_file_has_no_stat(opened: tuple[FileDelivery, str]) -> None:
    session, folder = opened

    assert session.stat(f"{folder}/nothing.csv") is None


def test_renamed_file_exists_only_under_its_new_name(opened: tuple[FileDelivery, str]) -> None:
    session, folder = opened
    session.write(f"{folder}/a.csv.part", io.BytesIO(b"x"))
    session.rename(f"{folder}/a.csv.part", f"{folder}/a.csv")

    assert session.stat(f"{folder}/a.csv.part") is None
    assert session.stat(f"{folder}/a.csv") is not None


def test_rename_never_overwrites(opened: tuple[FileDelivery, str]) -> None:
    session, folder = opened
    session.write(f"{folder}/a.csv", io.BytesIO(b"first"))
    session.write(f"{folder}/a.csv.part", io.BytesIO(b"second"))

    with pytest.raises(PermanentDeliveryError, match="already exists"):
        session.rename(f"{folder}/a.csv.part", f"{folder}/a.csv")
    assert session.read_sha256(f"{folder}/a.csv") == hashlib.sha256(b"first").hexdigest()


def test_missing_file_cannot_be_renamed(opened: tuple[FileDelivery, str]) -> None:
    session, folder = opened

    with pytest.raises(PermanentDeliveryError):
        session.rename(f"{folder}/none.part", f"{folder}/none.csv")


def test_removing_twice_succeeds(opened: tuple[FileDelivery, str]) -> None:
    session, folder = opened
    session.write(f"{folder}/a.part", io.BytesIO(b"x"))
    session.remove(f"{folder}/a.part")
    session.remove(f"{folder}/a.part")

    assert session.stat(f"{folder}/a.part") is None


@pytest.mark.parametrize("size", [0, 1, 100_003])
def test_small_file_is_listed_and_read_whole(opened: tuple[FileDelivery, str], size: int) -> None:
    session, folder = opened
    content = os.urandom(size)
    session.write(f"{folder}/b.ack.json", io.BytesIO(content))
    session.write(f"{folder}/a.ack.json", io.BytesIO(b"other"))
    before = {entry.name: entry.revision for entry in session.entries(folder)}
    session.write(f"{folder}/a.ack.json", io.BytesIO(b"longer than the other"))

    after = {entry.name: entry.revision for entry in session.entries(folder)}

    assert list(after) == ["a.ack.json", "b.ack.json"]
    assert (before["b.ack.json"], before["a.ack.json"] != after["a.ack.json"]) == (
        after["b.ack.json"],
        True,
    )
    assert session.read(f"{folder}/b.ack.json", size) == content
    with pytest.raises(PermanentDeliveryError, match="larger than"):
        session.read(f"{folder}/a.ack.json", 20)


def test_folder_is_no_file_of_its_parent(opened: tuple[FileDelivery, str]) -> None:
    session, folder = opened

    parent = folder.rpartition("/")[0]

    assert folder.rpartition("/")[2] not in {entry.name for entry in session.entries(parent or "/")}


@pytest.mark.parametrize("kind", KINDS[1:])
def test_missing_folder_is_a_permanent_error(kind: str, request: pytest.FixtureRequest) -> None:
    session = open_session(request.getfixturevalue(f"{kind}_server"))

    with pytest.raises(PermanentDeliveryError):
        session.write("/no/such/folder/a.part", io.BytesIO(b"x"))
    session.close()
    session.close()
