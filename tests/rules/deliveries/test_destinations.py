"""What a destination's secret must contain, and the error where it does not."""

from datetime import time

import pytest

from cardops.rules.deliveries.destinations import (
    DestinationSecretError,
    Protocol,
    SftpClient,
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


def test_calendar_and_client_are_read_and_unknown_parts_are_left() -> None:
    own = {"cut_off": "17:00", "time_zone": "America/New_York", "holidays": "US"}
    destination = read_destination(
        "visa", SFTP | own | {"sftp_client": "paramiko", "column_map": {"arn": "ARN"}}
    )

    assert destination.cut_off_at == time(17)
    assert (destination.time_zone, destination.holidays) == ("America/New_York", "US")
    assert destination.has_calendar
    assert destination.sftp_client is SftpClient.PARAMIKO
    assert not read_destination("visa", SFTP).has_calendar


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
        ({"folder": "/in\nDELE /x"}, "a folder with a line break"),
        ({"username": "acme\r"}, "a username with a line break"),
        ({"password": "s3cret-value\nQUIT"}, "a password with a line break"),
        ({"cut_off": "24:00"}, "no time of day"),
        ({"cut_off": "9:00"}, "no time of day"),
        ({"sftp_client": "putty"}, "unknown sftp_client"),
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
