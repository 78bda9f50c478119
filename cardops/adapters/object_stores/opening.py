"""Object stores by URL: `file://` directories and `s3://bucket/prefix`.

Belongs here: choosing the store. The stores themselves are in `directory` and `s3`.
"""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from cardops.adapters.object_stores.directory import DirectoryStore
from cardops.ports import ObjectStore
from cardops.rules.intake.objects import ObjectStoreError


def open_store(url: str) -> ObjectStore:
    """The store at `file:///path`, a bare path, or `s3://bucket/prefix`. Raises ObjectStoreError."""
    parts = urlsplit(url)
    if parts.scheme == "s3" and parts.netloc:
        from cardops.adapters.object_stores.s3 import S3ObjectStore  # noqa: PLC0415 - obstore loads slowly

        return S3ObjectStore(url)
    if parts.scheme == "file" and parts.netloc in {"", "localhost"}:
        return DirectoryStore(Path(unquote(parts.path)))
    if not parts.scheme:
        return DirectoryStore(Path(url).expanduser().absolute())
    raise ObjectStoreError(
        f"{url} is not a kind of file store that Cardops supports; use a directory (file:///path) or "
        "s3://bucket/prefix."
    )
