"""A dialect, and a file judged through its mapping."""

import io
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cardops.contracts.judging.files import FileCircumstances, judge_file
from cardops.contracts.judging.workspace import temporary_workspace
from cardops.contracts.kinds.registry import KINDS
from cardops.contracts.reading.mapped import check_mapping
from cardops.rules.intake.files import Arrival, FileStatus, IntakeFile, Kind
from cardops.rules.mappings.mapping import mapping_of

NOW = datetime(2026, 11, 28, tzinfo=UTC)


COLUMNS = ("user_id", "amount", "deposit_id", "timestamp", "currency")


GERMAN = {
    "delimiter": ";",
    "encoding": "cp1252",
    "columns": {"Kunde": "user_id", "Betrag": "amount", "Beleg": "deposit_id", "Zeit": "timestamp"},
    "constants": {"currency": "EUR"},
    "decimal": ",",
    "thousands": ".",
    "date_formats": ["%d.%m.%Y %H:%M"],
    "time_zone": "Europe/Berlin",
}


def judged(
    content: bytes,
    definition: Mapping[str, Any] | None,
    *,
    name: str = "a.csv",
    kind: str = "deposits",
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Valid rows as they go to the lake, and quarantined rows with reasons and raw."""
    profile = KINDS[Kind(kind)]
    mapping = None if definition is None else mapping_of(definition)
    if mapping is not None:
        check_mapping(mapping, profile.contract)
    arrival = Arrival(Kind(kind), "default", "raw", f"incoming/{kind}/{name}", "v", "0" * 64, 1)
    intake_file = IntakeFile(1, arrival, NOW.date(), FileStatus.CLAIMED)
    circumstances = FileCircumstances(intake_file, "USD", NOW, mapping=mapping)
    with temporary_workspace() as workspace:
        judge_file(io.BytesIO(content), profile, circumstances, workspace)
        valid = workspace.scan("valid").collect()
        quarantined = workspace.scan("quarantined").select("row_number", "reasons", "raw").collect()
        assert workspace.count("read") == valid.height + quarantined.height
    return valid.to_dicts(), quarantined.to_dicts()
