"""Region and endpoint of AWS, as the environment variables of its own tools name them."""

import os
from typing import Final

# Services that look like S3 accept any region.
DEFAULT_REGION: Final = "us-east-1"


def configured_region() -> str | None:
    """The region that the environment names; None leaves it to the profile of the AWS tools."""
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or None


def aws_region() -> str:
    """The region that the environment names, or the default one."""
    return configured_region() or DEFAULT_REGION


def aws_endpoint() -> str | None:
    """The S3 look-alike to talk to, or None for AWS itself."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None
