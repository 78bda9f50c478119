"""Which parts of a report could not be made, why, and of when their figures are, as sentences."""

from dataclasses import replace

import pytest

from cardops.services.reports.charts import draw_charts
from cardops.services.reports.failed_parts import (
    TITLES,
    failed_rows,
    failed_sentences,
    reasons_of,
)
from cardops.services.reports.figures import ReportFigures
from cardops.services.reports.parts import parts_of
from tests.factories.daily_reports import DAY, MADE_AT, RINGS, a_frame, figures


def failing(*parts: dict[str, object], with_rings: bool = True) -> ReportFigures:
    known = figures(rings_found=RINGS if with_rings else None)
    return replace(known, failed_parts=a_frame("failed_parts", parts))


def a_part(name: str, reason: str, frames: str, *, is_missing: bool = False) -> dict[str, object]:
    return {"part": name, "reason": reason, "frames": frames, "is_missing": is_missing}


def test_every_figure_of_the_marts_stands_in_a_part_of_the_page() -> None:
    from cardops.adapters.warehouse.monitoring_queries import (  # noqa: PLC0415 - of DuckDB
        MONITORING_QUERIES,
    )
    from cardops.adapters.warehouse.report_queries import QUERIES  # noqa: PLC0415 - of DuckDB

    report = figures()
    titles = {part.title for part in parts_of(report, draw_charts(report), MADE_AT)}

    assert set(TITLES.values()) <= titles
    assert MONITORING_QUERIES.keys() <= TITLES.keys()
    assert QUERIES.keys() - TITLES.keys() == {"state_dates"}


def test_nothing_failed_and_nothing_is_said() -> None:
    assert failed_sentences(failing()) == []
    assert reasons_of(failing()) == {}


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        (
            [a_part("fct_day", "Disk\n  full.", "money_by_day money")],
            (
                "The part Money in and out could not be made because fct_day failed (Disk full): "
                "figures of Money in and out are those of the build before."
            ),
        ),
        (
            [
                a_part("fct_day", "Disk full", "money", is_missing=True),
                a_part("fct_queue", "", "queue waiting"),
                a_part("fct_rates", "", "failure_days"),
            ],
            (
                "The parts Money in and out, Rates and Disputes by stage and days left could not be made "
                "because fct_day failed (Disk full): figures of Rates and Disputes by stage and days left "
                "are those of the build before; figures of Money in and out are left out."
            ),
        ),
        (
            [a_part("fct_x", "Disk full", "")],
            "Marts could not be made because fct_x failed (Disk full); no part of this page shows them.",
        ),
        (
            [a_part(f"fct_{number}", "Full", "money") for number in range(5)],
            (
                "The part Money in and out could not be made because fct_0 failed (Full); fct_1 failed "
                "(Full); fct_2 failed (Full); 2 more failed: figures of Money in and out are those of the "
                "build before."
            ),
        ),
        (
            [a_part("fraud_rings", "OSError: no space", "fraud_rings")],
            (
                "The part Fraud rings could not be made because OSError: no space: figures of Fraud rings "
                f"are those of the snapshot of {DAY}."
            ),
        ),
    ],
)
def test_sentence_names_parts_causes_and_age(parts: list[dict[str, object]], sentence: str) -> None:
    assert failed_sentences(failing(*parts)) == [sentence]


def test_rings_without_any_snapshot_are_left_out() -> None:
    report = failing(a_part("fraud_rings", "full", "fraud_rings"), with_rings=False)

    assert failed_sentences(report)[0].endswith("figures of Fraud rings are left out.")
    assert failed_rows(report)[0]["figures"] == "left out"


def test_part_that_only_reads_a_failed_one_has_no_reason_of_its_own() -> None:
    report = failing(a_part("fct_a", "full", "money"), a_part("fct_b", "", "queue"))

    assert reasons_of(report) == {"fct_a": "full"}
    assert [row["reason"] for row in failed_rows(report)] == ["full", "reads a part that failed"]
