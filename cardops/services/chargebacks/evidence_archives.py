"""The archive of evidence beside a chargeback file: a ZIP with a folder for each dispute.

Belongs here: putting it together. The same packages give the same bytes: nothing is compressed, since
libraries compress differently, and no clock is read. Each file is read whole and checked against the
hash under which it was added, so nothing goes out that was altered since.
"""

import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cardops.ports import ObjectStore
from cardops.rules.chargebacks.evidence_files import EvidenceDamagedError, evidence_key
from cardops.rules.chargebacks.evidence_packages import (
    MANIFEST_NAME,
    EvidencePackage,
    PackedFile,
)
from cardops.rules.intake.objects import ObjectMissingError

# The first instant that a ZIP can say.
_NO_TIME: Final = (1980, 1, 1, 0, 0, 0)
_UNIX: Final = 3
_READABLE: Final = 0o100644 << 16


def write_archive(packages: Sequence[EvidencePackage], store: ObjectStore, target: Path) -> str:
    """Write the archive of these packages; its SHA-256. Raises EvidenceDamagedError."""
    in_order = sorted(packages, key=lambda package: package.opening.dispute)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for place, package in enumerate(in_order, start=1):
            # Case numbers may differ in what a file system does not allow in a name, so they count.
            case_number = package.opening.dispute.case_number.replace(":", "_")
            folder = f"{place:04d}_{case_number}"
            _write(archive, f"{folder}/{MANIFEST_NAME}", package.manifest.encode())
            for file in package.files:
                _write(archive, f"{folder}/{file.name}", stored_content(store, file))
    with target.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def stored_content(store: ObjectStore, file: PackedFile) -> bytes:
    """The bytes of a file. Raises EvidenceDamagedError where they are not those that were added."""
    key = evidence_key(file.sha256)
    try:
        content = store.get(key)
    except ObjectMissingError:
        content = b""
    if hashlib.sha256(content).hexdigest() != file.sha256:  # guard: evidence-as-it-was-added
        raise EvidenceDamagedError(store.uri(key), file.file_name)
    return content


def _write(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    member = zipfile.ZipInfo(name, _NO_TIME)
    member.create_system = _UNIX
    member.external_attr = _READABLE
    archive.writestr(member, content)
