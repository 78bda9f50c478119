"""S3 simulated by moto, for the contract suites of the stores."""

from collections.abc import Iterator

import pytest

from tests.servers.s3 import bucket, moto_server


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    with moto_server() as server:
        yield server


@pytest.fixture
def s3_url(s3_server: str) -> Iterator[str]:
    """A fresh bucket with a prefix; the environment points to it."""
    with bucket(s3_server) as url:
        yield f"{url}/some/prefix"
