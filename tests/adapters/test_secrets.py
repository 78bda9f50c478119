"""One contract for every secret store: the fake, the file and the mocked AWS manager."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from cardops.adapters.secrets import (
    AwsSecretStore,
    FileSecretStore,
    SecretUnreadableError,
    secret_store,
)
from cardops.ports import SecretStore
from cardops.settings import Settings, SettingsError
from tests.fakes.secrets import FakeSecretStore


@pytest.fixture(params=["fake", "file", "aws"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SecretStore]:
    if request.param == "fake":
        yield FakeSecretStore()
    elif request.param == "file":
        yield FileSecretStore(tmp_path / "deep" / "secrets.json")
    else:
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        with mock_aws():
            yield AwsSecretStore("cardops/test")


def test_stored_secret_is_returned_and_replaced(store: SecretStore) -> None:
    assert store.get("callbacks/a") is None

    store.put("callbacks/a", {"secrets": [1]})
    store.put("callbacks/b", {"secrets": []})
    store.put("callbacks/a", {"secrets": [2]})

    assert store.get("callbacks/a") == {"secrets": [2]}
    assert store.get("callbacks/b") == {"secrets": []}


def test_names_of_secrets_are_listed_by_their_beginning(store: SecretStore) -> None:
    for name in ("callbacks/a", "destinations/visa", "destinations/amex"):
        store.put(name, {})

    assert list(store.names("destinations/")) == ["destinations/amex", "destinations/visa"]
    assert list(store.names("")) == ["callbacks/a", "destinations/amex", "destinations/visa"]


def test_secrets_file_is_private_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    earlier = os.umask(0)
    try:
        FileSecretStore(path).put("a", {})
    finally:
        os.umask(earlier)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {file.name for file in tmp_path.iterdir()} == {"secrets.json", "secrets.json.lock"}


def test_malformed_secrets_file_is_reported_and_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    path.write_text("[hunter2")

    with pytest.raises(SecretUnreadableError) as refused:
        FileSecretStore(path).put("a", {})

    assert "hunter2" not in str(refused.value)
    assert path.read_text() == "[hunter2"


def test_unknown_secret_store_is_a_settings_error() -> None:
    with pytest.raises(SettingsError, match="CARDOPS_SECRETS"):
        secret_store(Settings(secrets="vault:x"))
