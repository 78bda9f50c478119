"""S3 as an object store, over obstore; AWS_ENDPOINT_URL is honoured, credentials are boto3's."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast
from urllib.parse import urlsplit

from obstore.auth.boto3 import Boto3CredentialProvider
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store
from typing_extensions import Buffer, override

from cardops.adapters.aws.clients import BotoClients
from cardops.adapters.aws.environment import aws_endpoint, aws_region
from cardops.adapters.aws.s3_listing import S3Listing
from cardops.ports import ObjectStore
from cardops.rules.intake.objects import (
    ObjectExistsError,
    ObjectMissingError,
    ObjectStat,
    ObjectStoreError,
    check_key,
)

if TYPE_CHECKING:
    from obstore import ObjectMeta  # a stub's name only
    from obstore.store import S3Config

READ_AHEAD_BYTES: Final = 8 * 1024 * 1024
# What obstore says of a name that it takes for no path.
_INVALID: Final = ("Error parsing Path", "contained empty path segment")


class UnlistableNameError(ObjectStoreError):
    """A bucket has an object whose name obstore refuses, and so lists none beside it."""

    def __init__(self, uri: str) -> None:
        super().__init__(
            f"{uri} has a name that is no path, or below it is one: with an empty part, `.` or `..`, or a control "
            "character. Give that object another name."
        )


class S3ObjectStore(ObjectStore):
    """One prefix of one bucket. Credentials are boto3's: environment, profile, role.

    With `kms_key`, objects are put with headers that ask for encryption by this key (SSE-KMS).
    """

    def __init__(self, url: str, kms_key: str | None = None) -> None:
        self._kms_key = kms_key
        parts = urlsplit(url)
        self._bucket = parts.netloc
        self._prefix = parts.path.strip("/")
        self.url = f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    @override
    def list_objects(self, prefix: str) -> Sequence[ObjectStat]:
        # obstore lists whole path segments; a prefix may end inside one.
        folder, _, _ = prefix.rpartition("/")
        try:
            with self._plain_errors(prefix):
                pages = self._store.list(folder or None)
                found = [item for page in pages for item in page]
        except UnlistableNameError:
            return self._listing.list_objects(prefix)
        return sorted(
            (_stat(item["path"], item) for item in found if item["path"].startswith(prefix)),
            key=lambda stat: stat.key,
        )

    @override
    def list_folder(self, folder: str) -> tuple[Sequence[ObjectStat], Sequence[str]]:
        try:
            with self._plain_errors(folder):
                found = self._store.list_with_delimiter(folder or None)
        except UnlistableNameError:
            return self._listing.list_folder(folder)
        stats = [_stat(item["path"], item) for item in found["objects"]]
        return (
            sorted(stats, key=lambda stat: stat.key),
            sorted(f"{name.rstrip('/')}/" for name in found["common_prefixes"]),
        )

    @override
    def find(self, key: str) -> ObjectStat | None:
        try:
            with self._plain_errors(key):
                return _stat(key, self._store.head(check_key(key)))
        except ObjectMissingError:
            return None

    @override
    def open(self, key: str) -> BinaryIO:
        with self._plain_errors(key):
            source = self._store.head(check_key(key))
        return cast(
            "BinaryIO", io.BufferedReader(_Ranges(self, key, source["size"]), READ_AHEAD_BYTES)
        )

    @override
    def get(self, key: str) -> bytes:
        with self._plain_errors(key):
            return bytes(self._store.get(check_key(key)).bytes())

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Part of an object."""
        with self._plain_errors(key):
            return bytes(self._store.get_range(key, start=start, length=length))

    @override
    def create(self, key: str, content: bytes | Path) -> None:
        # Only a put in one piece is conditional.
        with self._plain_errors(key):
            self._store.put(check_key(key), content, mode="create", use_multipart=False)

    @override
    def replace(self, key: str, content: bytes | Path) -> None:
        with self._plain_errors(key):
            self._store.put(check_key(key), content)

    @override
    def delete(self, key: str) -> None:
        with self._plain_errors(key):
            self._store.delete(check_key(key))

    @override
    def uri(self, key: str) -> str:
        return f"{self.url}/{key}"

    @cached_property
    def _listing(self) -> S3Listing:
        """Slower than obstore, and refuses no name."""
        return S3Listing(self.url, BotoClients().s3(aws_region()))

    @cached_property
    def _store(self) -> S3Store:
        endpoint = aws_endpoint()
        try:
            credentials = Boto3CredentialProvider()
        except ValueError:
            raise ObjectStoreError(
                f"{self.url} needs AWS credentials and none were found; set AWS_PROFILE, or "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine a role."
            ) from None
        return S3Store(
            self._bucket,
            prefix=self._prefix or None,
            region=aws_region(),
            credential_provider=credentials,
            client_options={"allow_http": bool(endpoint and endpoint.startswith("http:"))},
            config=self._config(endpoint),
        )

    def _config(self, endpoint: str | None) -> "S3Config":
        config: S3Config = {"endpoint": endpoint} if endpoint else {}
        if self._kms_key:
            config["server_side_encryption"] = "aws:kms"
            config["sse_kms_key_id"] = self._kms_key
            # One request of a key serves many objects of a bucket.
            config["sse_bucket_key_enabled"] = True
        return config

    @contextmanager
    def _plain_errors(self, key: str) -> Iterator[None]:
        """Errors of obstore as ObjectStoreErrors, one sentence each."""
        try:
            yield
        except AlreadyExistsError:
            raise ObjectExistsError(self.uri(key)) from None
        except FileNotFoundError:
            raise ObjectMissingError(self.uri(key)) from None
        except BaseError as error:
            if any(words in str(error) for words in _INVALID):
                raise UnlistableNameError(self.uri(key)) from None
            raise ObjectStoreError(
                f"{self.uri(key)} cannot be reached: {str(error).splitlines()[0]}"
            ) from error


def _stat(key: str, item: "ObjectMeta") -> ObjectStat:
    return ObjectStat(
        key=key,
        size_bytes=item["size"],
        version=(item["e_tag"] or "").strip('"'),
        modified_at=item["last_modified"],
    )


class _Ranges(io.RawIOBase):
    """An object as a seekable raw stream, for BufferedReader to read ahead of."""

    def __init__(self, store: S3ObjectStore, key: str, size: int) -> None:
        self._store, self._key, self._size, self._position = store, key, size, 0

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    @override
    def tell(self) -> int:
        return self._position

    @override
    def readinto(self, buffer: "Buffer") -> int:
        target = memoryview(buffer).cast("B")
        length = min(len(target), self._size - self._position)
        if length <= 0:
            return 0
        content = self._store.get_range(self._key, self._position, length)
        target[: len(content)] = content
        self._position += len(content)
        return len(content)
