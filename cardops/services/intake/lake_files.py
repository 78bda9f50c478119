"""A file's rows in the lake: in a Parquet file of their own, or in one that small files share.

Belongs here: writing them, so that whoever ingests or recalls a file again replaces its rows where
they are, and no others.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from cardops.contracts.lake.tables import empty_frame
from cardops.ports import IntakeLedger, Lake
from cardops.rules.intake.files import IntakeFile


def write_lake_rows(
    intake_file: IntakeFile, parquet: Path, lake: Lake, intake_ledger: IntakeLedger
) -> None:
    """Replace the file's rows by these. Call it with the file locked."""
    kind, day, name = intake_file.arrival.kind, intake_file.business_date, intake_file.lake_name
    shared_id = intake_file.lake_file_id
    if shared_id is None:  # guard: shared-lake-file
        lake.write_file(kind, day, name, parquet)
        return
    with intake_ledger.writing_lake_file(shared_id):  # guard: one-lake-writer
        lake.replace_rows(kind, day, name, intake_file.intake_id, parquet)


def clear_lake_rows(intake_file: IntakeFile, lake: Lake, intake_ledger: IntakeLedger) -> None:
    """The lake's deposits are those that stand; the transaction log keeps what happened."""
    with TemporaryDirectory(prefix="cardops-lake-") as folder:
        parquet = Path(folder) / "none.parquet"
        empty_frame(intake_file.arrival.kind).write_parquet(parquet)
        write_lake_rows(intake_file, parquet, lake, intake_ledger)
