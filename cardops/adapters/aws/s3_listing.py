"""A bucket's object names, listed with an S3 client.

Belongs here: listing for arrivals, where assets and sensors hand in the client of `dagster_aws`.
Reading and writing objects is in cardops.adapters.object_stores.s3.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError
from typing_extensions import override

from cardops.ports import ObjectListing
from cardops.rules.intake.objects import ObjectPage, ObjectStat, ObjectStoreError

MISSING: Final = frozenset({"404", "NoSuchKey", "NotFound"})


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
            _stat(item["Key"].removeprefix(self._root), item["Size"], item)
            for item in sorted(found, key=lambda item: str(item["Key"]))
            # The S3 console marks an empty folder by an object of this name.
            if not item["Key"].endswith("/")
        ]

    def list_folder(self, folder: str) -> tuple[Sequence[ObjectStat], Sequence[str]]:
        """Objects that lie in a folder itself, and the names of its folders, as an ObjectStore has them."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=f"{self._root}{folder}", Delimiter="/"
        )
        try:
            found = list(pages)
        except (BotoCoreError, ClientError) as error:
            raise ObjectStoreError(f"{self.url}/{folder} cannot be listed: {error}") from None
        stats = [
            _stat(item["Key"].removeprefix(self._root), item["Size"], item)
            for page in found
            for item in page.get("Contents", [])
        ]
        names = (item["Prefix"] for page in found for item in page.get("CommonPrefixes", []))
        return (
            [stat for stat in stats if not stat.key.endswith("/")],
            sorted(name.removeprefix(self._root) for name in names),
        )

    @override
    def list_page(self, prefix: str, after: str, limit: int) -> ObjectPage:
        try:
            page = self._client.list_objects_v2(
                Bucket=self._bucket,
                Prefix=f"{self._root}{prefix}",
                StartAfter=f"{self._root}{after}" if after else "",
                MaxKeys=limit,
            )
        except (BotoCoreError, ClientError) as error:
            raise ObjectStoreError(f"{self.url}/{prefix} cannot be listed: {error}") from None
        found = page.get("Contents", [])
        stats = (_stat(item["Key"].removeprefix(self._root), item["Size"], item) for item in found)
        has_more = page.get("IsTruncated", False) and found
        return ObjectPage(
            tuple(stat for stat in stats if not stat.key.endswith("/")),
            found[-1]["Key"].removeprefix(self._root) if has_more else None,
        )

    @override
    def find(self, key: str) -> ObjectStat | None:
        try:
            item = self._client.head_object(Bucket=self._bucket, Key=f"{self._root}{key}")
        except ClientError as error:
            if error.response["Error"]["Code"] in MISSING:
                return None
            raise ObjectStoreError(f"{self.url}/{key} cannot be read: {error}") from None
        except BotoCoreError as error:
            raise ObjectStoreError(f"{self.url}/{key} cannot be read: {error}") from None
        return _stat(key, item["ContentLength"], item)


def _stat(key: str, size_bytes: int, item: Mapping[str, Any]) -> ObjectStat:
    return ObjectStat(
        key=key,
        size_bytes=size_bytes,
        version=item["ETag"].strip('"'),
        modified_at=item["LastModified"],
    )
