"""The card companies' server: one user and folder a network, the same keys after a restart."""

import hashlib
import io
import json
from pathlib import Path

import paramiko
import pytest

from simulation.card_companies import NETWORKS, CardCompanies
from tests.fakes.secrets import FakeSecretStore
from tests.servers.file_servers import Server, card_companies


def session(server: Server, **changes: object) -> paramiko.SSHClient:
    secret = server.secret | changes
    client = paramiko.SSHClient()
    key = paramiko.hostkeys.HostKeyEntry.from_line(f"x {server.secret['host_key']}")
    assert key is not None
    assert key.key is not None
    client.get_host_keys().add(f"[127.0.0.1]:{server.port}", key.key.get_name(), key.key)
    try:
        client.connect(
            "127.0.0.1",
            server.port,
            str(secret["username"]),
            password=str(secret["password"]),
            allow_agent=False,
            look_for_keys=False,
        )
    except BaseException:
        client.close()
        raise
    return client


def test_company_sees_only_its_own_folder(tmp_path: Path) -> None:
    with card_companies(tmp_path) as server, session(server) as client:
        sftp = client.open_sftp()
        sftp.putfo(io.BytesIO(b"x"), "/inbox/a.csv")

        assert sorted(sftp.listdir("/")) == ["inbox", "outbox"]
        assert sorted(sftp.listdir("/../..")) == ["inbox", "outbox"]
        assert (server.inbox / "a.csv").read_bytes() == b"x"
        with pytest.raises(FileNotFoundError):
            sftp.stat("/../mastercard/inbox")


def test_company_acknowledges_a_pair_once_its_control_file_has_its_name(tmp_path: Path) -> None:
    content = b'"case_number","stage","action_sequence"\r\n"c1","chargeback","1"\r\n'
    said = {"sequence": 1, "rows": 1, "sha256": hashlib.sha256(content).hexdigest()}
    with card_companies(tmp_path) as server, session(server) as client:
        sftp = client.open_sftp()
        sftp.putfo(io.BytesIO(content), "/inbox/a.csv")
        sftp.putfo(io.BytesIO(json.dumps(said).encode()), "/inbox/a.csv.ctl.part")
        assert sftp.listdir("/outbox") == []

        sftp.posix_rename("/inbox/a.csv.ctl.part", "/inbox/a.csv.ctl")

        assert sftp.listdir("/outbox") == ["a.csv.ack.json"]


@pytest.mark.parametrize("changes", [{"password": "no"}, {"username": "mastercard"}])
def test_company_cannot_log_in_with_anothers_password(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    with card_companies(tmp_path) as server, pytest.raises(paramiko.AuthenticationException):
        session(server, **changes)


def test_keys_and_passwords_survive_a_restart(tmp_path: Path) -> None:
    with card_companies(tmp_path) as first:
        pass
    with card_companies(tmp_path) as second:
        pass

    assert first.secret | {"port": 0} == second.secret | {"port": 0}


def test_every_company_gets_its_own_secret(tmp_path: Path) -> None:
    companies = CardCompanies(tmp_path)
    companies.prepare()
    secrets = FakeSecretStore()
    companies.introduce(secrets, 2222)

    assert set(secrets.values) == {f"destinations/{network}" for network in NETWORKS}
    assert len({secret["password"] for secret in secrets.values.values()}) == len(NETWORKS)
    assert {secret["port"] for secret in secrets.values.values()} == {2222}


def test_destination_of_an_operator_is_never_replaced(tmp_path: Path) -> None:
    companies = CardCompanies(tmp_path)
    companies.prepare()
    own: dict[str, object] = {"protocol": "sftp", "host": "sftp.visa.example"}
    secrets = FakeSecretStore({"destinations/visa": own})
    companies.introduce(secrets, 2222)
    companies.introduce(secrets, 2223)

    assert secrets.values["destinations/visa"] == own
    assert secrets.values["destinations/amex"]["port"] == 2223


def test_private_files_are_readable_only_by_their_owner(tmp_path: Path) -> None:
    companies = CardCompanies(tmp_path)
    companies.prepare()
    private = [path for path in companies.folder.iterdir() if path.is_file()]

    assert len(private) == len(NETWORKS) + 1
    assert all(path.stat().st_mode & 0o077 == 0 for path in private)
