"""Object stores by URL: `file://` directories and `s3://bucket/prefix`.

Belongs here: choosing the store. The stores themselves are in `directory` and `s3`.
"""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from cardops.adapters.aws.clients import AwsClients, BotoClients
from cardops.adapters.aws.environment import aws_region
from cardops.adapters.object_stores.directory import DirectoryStore
from cardops.ports import Arrivals, ArrivalWatch, IntakeLedger, ObjectListing, ObjectStore
from cardops.rules.intake.objects import ObjectStoreError


def open_store(url: str, kms_key: str | None = None) -> ObjectStore:
    """The store at `file:///path`, a bare path, or `s3://bucket/prefix`. Raises ObjectStoreError.

    `kms_key` encrypts what is put into a bucket; None leaves it to the bucket's default.
    """
    parts = urlsplit(url)
    if parts.scheme == "s3" and parts.netloc:
        from cardops.adapters.object_stores.s3 import S3ObjectStore  # noqa: PLC0415 - obstore loads slowly

        return S3ObjectStore(url, kms_key)
    if parts.scheme == "file" and parts.netloc in {"", "localhost"}:
        return DirectoryStore(Path(unquote(parts.path)))
    if not parts.scheme:
        return DirectoryStore(Path(url).expanduser().absolute())
    raise ObjectStoreError(
        f"{url} is not a kind of file store that Cardops supports; use a directory (file:///path) or "
        "s3://bucket/prefix."
    )


def open_listing(url: str, aws: AwsClients | None = None) -> ObjectListing:
    """The names in the store at that URL; a bucket is listed with a client of `aws`."""
    if not url.startswith("s3:"):
        return open_store(url)
    from cardops.adapters.aws.s3_listing import S3Listing  # noqa: PLC0415 - botocore loads slowly

    return S3Listing(url, (aws or BotoClients()).s3(aws_region()))


def open_arrivals(
    url: str, ledger: IntakeLedger, aws: AwsClients | None = None, *, is_prompt: bool = False
) -> Arrivals:
    """New files in the store at that URL, found by listing it: a bucket in parts.

    `is_prompt`: for a process that looks when something arrives, at many files at once.
    """
    from cardops.adapters.object_stores.listing import (  # noqa: PLC0415 - only who listens for arrivals
        MAX_FILES_A_POLL,
        MAX_PROMPT_FILES,
        ListedArrivals,
        SweptArrivals,
    )

    max_files = MAX_PROMPT_FILES if is_prompt else MAX_FILES_A_POLL
    listing = open_listing(url, aws)
    if url.startswith("s3:"):
        return SweptArrivals(listing, ledger, max_files=max_files)
    return ListedArrivals(listing, ledger, is_certain=is_prompt, max_files=max_files)


def open_watch(url: str) -> ArrivalWatch:
    """What tells of arrivals in the store at that URL: the kernel for a directory, else the clock."""
    from cardops.adapters.object_stores.watching import (  # noqa: PLC0415 - only one process watches
        DirectoryWatch,
        TimedWatch,
    )

    if url.startswith("s3:"):
        return TimedWatch()
    store = open_store(url)
    return DirectoryWatch(store.root) if isinstance(store, DirectoryStore) else TimedWatch()
