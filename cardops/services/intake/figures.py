"""The figures of a file on disk, as its control file states them: rows, sums and hash."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from cardops.contracts.judging.files import FileCircumstances, judge_file
from cardops.contracts.judging.workspace import Workspace, temporary_workspace
from cardops.contracts.kinds.profile import KindProfile
from cardops.contracts.reading.source import FileRefusedError
from cardops.rules.errors import ExplainedError
from cardops.rules.intake.control_files import FileFigures
from cardops.rules.intake.files import DEFAULT_PROGRAM, Arrival, FileStatus, IntakeFile


class UnreadableFileError(ExplainedError):
    """A file that cannot be read at all has no figures."""


def read_figures(workspace: Workspace, profile: KindProfile, sha256: str) -> FileFigures:
    """Every record read; sums of all amounts that the contract can read, also of bad rows."""
    totals = dict(workspace.quarantined_totals)
    for currency, minor in valid_totals(workspace, profile).items():
        totals[currency] = totals.get(currency, 0) + minor
    return FileFigures(workspace.count("read"), totals, sha256)


def figures_of(path: Path, profile: KindProfile, currency: str) -> FileFigures:
    """The figures of a file that nobody claimed. Raises UnreadableFileError."""
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    now = datetime.now(UTC)
    arrival = Arrival(profile.kind, DEFAULT_PROGRAM, "", path.name, "", digest, path.stat().st_size)
    unclaimed = IntakeFile(0, arrival, now.date(), FileStatus.CLAIMED)
    with temporary_workspace() as workspace, path.open("rb") as content:
        try:
            judge_file(content, profile, FileCircumstances(unclaimed, currency, now), workspace)
        except FileRefusedError as error:
            raise UnreadableFileError(str(error)) from None
        return read_figures(workspace, profile, digest)


def valid_totals(workspace: Workspace, profile: KindProfile) -> Mapping[str, int]:
    """Sums of the valid rows by currency, rows that repeat others included."""
    if profile.control_totals is None:
        return {}
    amount, currency = profile.control_totals
    rows = workspace.scan("valid").group_by(currency)
    sums = rows.agg(pl.col(amount).cast(pl.Int128).sum()).sort(currency)
    return dict(sums.collect(engine="streaming").iter_rows())
