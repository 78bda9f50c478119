"""S3 simulated by moto: a server, and buckets that the environment points to."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import boto3
import pytest

REGION = "us-east-1"


@contextmanager
def moto_server() -> Iterator[str]:
    """The address of a server of its own."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - loads a web server

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@contextmanager
def bucket(server: str) -> Iterator[str]:
    """A fresh bucket's URL; inside the block the environment points to it, for child processes too."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", server)
        environment.setenv("AWS_ACCESS_KEY_ID", "test")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
        environment.setenv("AWS_REGION", REGION)
        name = f"test-{uuid.uuid4().hex[:12]}"
        boto3.client("s3", region_name=REGION).create_bucket(Bucket=name)
        yield f"s3://{name}"
