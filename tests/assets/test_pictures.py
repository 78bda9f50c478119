"""Pictures and lineage of runs: what is drawn says the same in words, and follows from the code."""

import base64
import xml.etree.ElementTree as ET
from typing import Any

import dagster as dg
import pytest

from assets.column_lineage import LINEAGE, lineage_of_files, lineage_of_rows
from assets.daily_report import rates_of
from assets.delivery_board_chart import board_markdown, board_svg
from cardops.rules.chargebacks.files import FORMAT_VERSION, columns_of
from cardops.rules.chargebacks.routing import NETWORKS
from cardops.rules.deliveries.progress import FileProgress, Progress
from cardops.services.deliveries.board import BoardRow
from tests.factories.daily_reports import figures, quiet_figures

pytestmark = pytest.mark.dagster


def a_row(batch_id: str, **files: FileProgress) -> BoardRow:
    nothing = FileProgress(Progress.NO_FILE)
    return BoardRow(batch_id, {network: files.get(network, nothing) for network in NETWORKS})


def texts_of(svg: str) -> list[str]:
    """The picture's texts without their titles; it is well-formed."""
    root = ET.fromstring(svg)  # noqa: S314 - made here
    return [element.text or "" for element in root.iter() if element.tag.endswith("text")]


def test_board_shows_each_batch_with_a_sign_where_a_person_is_needed() -> None:
    rows = [
        a_row("b<2>", visa=FileProgress(Progress.FAILED, "visa: <refused>")),
        a_row("b-1", amex=FileProgress(Progress.ACKNOWLEDGED, "3 accepted, 0 rejected")),
    ]

    texts = texts_of(board_svg(rows))

    assert texts[: len(NETWORKS)] == list(NETWORKS)
    assert texts[4:] == [
        *("b<2>", "! failed", "no file", "no file", "no file"),
        *("b-1", "no file", "no file", "acknowledged", "no file"),
    ]


def test_board_says_in_words_what_needs_a_person() -> None:
    failed = a_row("b-2", visa=FileProgress(Progress.FAILED, "visa: refused"))
    text = board_markdown([failed])
    image = text.partition("base64,")[2].partition(")")[0]

    assert "- **b-2 to visa: failed.** visa: refused" in text
    assert base64.b64decode(image).decode() == board_svg([failed])
    assert "No file needs a person." in board_markdown([a_row("b-1")])
    assert board_markdown([]) == "No chargeback file was made yet."


def origins(metadata: dict[str, dg.MetadataValue]) -> dict[str, list[str]]:
    lineage = metadata[LINEAGE].value
    assert isinstance(lineage, dg.TableColumnLineage)
    return {
        column: [dep.column_name for dep in deps] for column, deps in lineage.deps_by_column.items()
    }


def test_lineage_of_a_chargeback_file_is_read_off_its_cells() -> None:
    found = origins(lineage_of_files())

    assert tuple(found) == columns_of(FORMAT_VERSION)
    assert found["dispute_amount"] == ["dispute_amount_minor", "dispute_currency"]
    assert found["reply_by_date"] == ["reply_by_date", "reply_by_on", "stage", "status"]
    assert found["action"] == ["stage", "status"]


def test_lineage_of_waiting_disputes_is_of_columns_that_both_have() -> None:
    found = origins(lineage_of_rows("waiting_disputes"))

    assert found["case_number"] == ["case_number"]
    assert "reason" not in found


def test_rates_of_the_report_are_numbers_to_plot() -> None:
    shown: dict[str, Any] = {name: value.value for name, value in rates_of(figures()).items()}

    # 14 and 9 disputes of 875 and 900 settled transactions.
    assert shown["dispute_rate_percent"] == round(100 * 23 / 1775, 3)
    assert shown["permit_rate_percent"] == round(
        100 * figures().permit_count / figures().decision_count, 3
    )
    assert 0 < shown["payment_failure_rate_percent"] < 100
    assert rates_of(quiet_figures()) == {}
