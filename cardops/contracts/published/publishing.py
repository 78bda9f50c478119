"""Writes the published contracts: `python -m cardops.contracts.published.publishing`.

Belongs here: what is written, and what is refused: a version that was published never accepts less.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from cardops.contracts.kinds.profile import KindProfile
from cardops.contracts.kinds.registry import KINDS
from cardops.contracts.published.compatibility import breaking_changes
from cardops.contracts.published.json_schema import schema_of
from cardops.contracts.published.samples import as_csv, as_ndjson, sample_rows
from cardops.rules.errors import ExplainedError

FOLDER: Final = Path(__file__).resolve().parents[3] / "docs" / "schemas"


class VersionNotRaisedError(ExplainedError):
    """A contract accepts less than the published schema of its version promises."""

    def __init__(self, name: str, changes: list[str]) -> None:
        super().__init__(
            f"The contract {name} was changed so that files that were valid may be refused "
            f"({'; '.join(changes)}). Raise its version in cardops/contracts/kinds, or take the "
            "change back."
        )


def published_path(profile: KindProfile, extension: str = "json", folder: Path = FOLDER) -> Path:
    """Where a file of the contract's current version is."""
    contract = profile.contract
    return folder / contract.kind / f"v{contract.version}.{extension}"


def schema_text(schema: dict[str, Any]) -> str:
    """The schema as it is stored."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def broken_promises(profile: KindProfile, folder: Path = FOLDER) -> list[str]:
    """What the contract no longer accepts of its published version; nothing of a new version."""
    path = published_path(profile, folder=folder)
    if not path.exists():
        return []
    return breaking_changes(json.loads(path.read_text()), schema_of(profile))


def publish(profile: KindProfile, folder: Path = FOLDER) -> None:
    """Write schema and samples of the current version. Raises VersionNotRaisedError.

    Samples that were published stay: rows are added only.
    """
    changes = broken_promises(profile, folder)
    if changes:
        raise VersionNotRaisedError(profile.kind, changes)
    schema = schema_of(profile)
    path = published_path(profile, folder=folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(schema_text(schema), encoding="utf-8")
    table = published_path(profile, "csv", folder)
    if not table.exists():
        table.write_text(as_csv(schema), encoding="utf-8")
    rows = published_path(profile, "ndjson", folder)
    kept = rows.read_text(encoding="utf-8") if rows.exists() else ""
    rows.write_text(kept + "".join(_added(as_ndjson(sample_rows(schema)), kept)), encoding="utf-8")


def _added(made: str, kept: str) -> Iterator[str]:
    known = set(kept.splitlines())
    return (f"{line}\n" for line in made.splitlines() if line not in known)


def main() -> None:
    """Publish every kind, or say which version must be raised."""
    try:
        for profile in KINDS.values():
            publish(profile)
    except VersionNotRaisedError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
