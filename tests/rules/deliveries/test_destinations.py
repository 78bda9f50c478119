"""What a destination's secret must contain, and the error where it does not."""

import pytest

from cardops.rules.deliveries.destinations import (
    DestinationSecretError,
    Protocol,
    read_destination,
)

SFTP = {
    "protocol": "sftp",
    "host": "sftp.example.com",
    "username": "acme",
    "password": "s3cret-value",
    "host_key": "ssh-ed25519 AAAA",
    "folder": "/inbox/",
}


def test_complete_secret_is_read() -> None:
    destination = read_destination("visa", SFTP | {"port": "2222"})

    assert (destination.protocol, destination.port) == (Protocol.SFTP, 2222)
    assert destination.path("a.csv") == "/inbox/a.csv"
    assert destination.neutralises_formulas


@pytest.mark.parametrize(("protocol", "port"), [("sftp", 22), ("ftps", 21), ("ftp", 21)])
def test_protocol_has_its_default_port(protocol: str, port: int) -> None:
    assert read_destination("visa", SFTP | {"protocol": protocol}).port == port


def test_plain_ftp_is_refused_unless_the_secret_names_it() -> None:
    proof_of_concept = {"host": "ftp.x.com", "username": "u", "password": "p", "port": "21"}

    with pytest.raises(DestinationSecretError, match='"protocol": "ftp"'):
        read_destination("visa", proof_of_concept)
    assert read_destination("visa", proof_of_concept | {"protocol": "ftp"}).port == 21


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"protocol": "scp"}, "unknown protocol"),
        ({"host_key": None}, "no host key"),
        ({"host": ""}, "no host"),
        ({"username": None}, "no username"),
        ({"password": None}, "no credentials"),
        ({"port": "0"}, "an invalid port"),
        ({"port": "٢٢"}, "an invalid port"),
        ({"port": 70000}, "an invalid port"),
        ({"folder": 7}, "not text"),
    ],
)
def test_invalid_secret_is_explained_without_showing_it(
    change: dict[str, object], message: str
) -> None:
    with pytest.raises(DestinationSecretError, match=message) as refused:
        read_destination("visa", SFTP | change)
    assert "s3cret-value" not in str(refused.value)


def test_missing_secret_is_reported() -> None:
    with pytest.raises(DestinationSecretError, match="destinations/visa is missing"):
        read_destination("visa", None)


def test_representation_hides_secrets() -> None:
    assert "s3cret-value" not in repr(read_destination("visa", SFTP))
