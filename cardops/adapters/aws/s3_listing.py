"""A bucket's object names, listed with an S3 client.

Belongs here: listing for arrivals, where assets and sensors hand in the client of `dagster_aws`.
Reading and writing objects is in cardops.adapters.object_stores.s3.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError
from typing_extensions import override

from cardops.ports import ObjectListing
from cardops.rules.intake.objects import ObjectStat, ObjectStoreError


class S3Listing(ObjectListing):
    """One prefix of one bucket at `s3://bucket/prefix`; `client` is a boto3 S3 client."""

    def __init__(self, url: str, client: Any) -> None:
        parts = urlsplit(url)
        self._bucket = parts.netloc
        self._root = f"{parts.path.strip('/')}/".lstrip("/")
        self._client = client
        self.url = f"s3://{self._bucket}/{self._root}".rstrip("/")

    @override
    def list_objects(self, prefix: str) -> Sequence[ObjectStat]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=f"{self._root}{prefix}"
        )
        try:
            found = [item for page in pages for item in page.get("Contents", [])]
        except (BotoCoreError, ClientError) as error:
            raise ObjectStoreError(f"{self.url}/{prefix} cannot be listed: {error}") from None
        return [
            ObjectStat(
                key=item["Key"].removeprefix(self._root),
                size_bytes=item["Size"],
                version=item["ETag"].strip('"'),
                modified_at=item["LastModified"],
            )
            for item in sorted(found, key=lambda item: str(item["Key"]))
            # The S3 console marks an empty folder by an object of this name.
            if not item["Key"].endswith("/")
        ]
