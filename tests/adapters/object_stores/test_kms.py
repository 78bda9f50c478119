"""Objects are put with the headers that encrypt them by a key of one's own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from pydantic import ValidationError

from cardops.bootstrap import Adapters
from cardops.settings import Settings
from tests.servers.s3 import REGION, bucket, moto_server

KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
LARGE_BYTES = 11 * 1024 * 1024  # put in parts


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with moto_server() as server, bucket(server) as made:
        yield made


def head(url: str, key: str) -> dict[str, Any]:
    client: Any = boto3.client("s3", region_name=REGION)
    found: dict[str, Any] = client.head_object(Bucket=url.removeprefix("s3://"), Key=key)
    return found


@pytest.mark.parametrize("way", ["create", "replace", "in parts"])
def test_object_is_encrypted_by_the_key_that_is_set(url: str, way: str, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, failed_url=f"{url}/{way}", kms_key=KEY)
    store = Adapters(settings).failed_store
    if way == "create":
        store.create("a", b"one")
    else:
        store.replace("a", b"x" * (LARGE_BYTES if way == "in parts" else 1))

    found = head(url, f"{way}/a")

    assert found["ServerSideEncryption"] == "aws:kms"
    assert found["SSEKMSKeyId"] == KEY
    if way == "in parts":
        assert found["ETag"].strip('"').endswith("-3")


def test_without_a_key_the_default_of_the_bucket_applies(url: str, tmp_path: Path) -> None:
    Adapters(Settings(home=tmp_path, failed_url=f"{url}/plain")).failed_store.create("a", b"one")

    assert "SSEKMSKeyId" not in head(url, "plain/a")


def test_key_with_other_characters_is_refused() -> None:
    with pytest.raises(ValidationError):
        Settings(kms_key="a key\nand a header: x")
