"""How the newest business dates were closed, from Dagster's own runs and materializations."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import UTC, date, datetime

import dagster as dg
import pytest

from assets.close_chart import ClosedStep, DrawnClose, close_markdown, close_svg
from assets.daily_closes import (
    EVERY_DATE,
    STEPS,
    CloseState,
    closes_of,
    daily_closes,
    due_dates,
    metadata_of,
    reported_dates,
)
from orchestration.first_date import beginning_on
from tests.factories.real_days import today, yesterday
from tests.fakes.clock import FakeClock

pytestmark = pytest.mark.dagster
FIRST = date(2026, 11, 17)
DATES = dg.DailyPartitionsDefinition("2026-11-17")
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
ENOUGH = list(STEPS.values())


def stand_in(name: str) -> dg.AssetsDefinition:
    former = ENOUGH[: ENOUGH.index(name)][-1:]

    @dg.asset(name=name, partitions_def=DATES, deps=former)
    def made(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        # The 18th has two breaks, which keep it from being published.
        breaks = 2 if context.partition_key == "2026-11-18" else 0
        return dg.MaterializeResult(metadata={"breaks": breaks})

    return made


CLOSING = [stand_in(name) for name in ENOUGH]


def definitions() -> dg.Definitions:
    return dg.Definitions(
        assets=[*CLOSING, *beginning_on(FIRST, [daily_closes])],
        jobs=[
            dg.define_asset_job("daily_close", selection=ENOUGH),
            dg.define_asset_job("show", selection=["daily_closes"]),
        ],
        resources={"clock": FakeClock(NOON)},
    )


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


def close(instance: dg.DagsterInstance, day: str, steps: list[str] | None = None) -> None:
    definitions().resolve_job_def("daily_close").execute_in_process(
        instance=instance,
        partition_key=day,
        asset_selection=[dg.AssetKey(name) for name in steps or ENOUGH],
    )


def states(instance: dg.DagsterInstance) -> dict[str, CloseState]:
    dates = due_dates(FIRST, NOON)
    return {found.business_date: found.state for found in closes_of(instance, dates)}


def test_each_due_date_says_how_it_stands(instance: dg.DagsterInstance) -> None:
    close(instance, "2026-11-17")
    close(instance, "2026-11-18", [name for name in ENOUGH if name != "published_marts"])
    close(instance, "2026-11-19", ["transaction_log"])
    instance.create_run_for_job(
        definitions().resolve_job_def("daily_close"),
        status=dg.DagsterRunStatus.FAILURE,
        tags={"dagster/partition": "2026-11-19"},
    )

    assert states(instance) == {
        "2026-11-20": CloseState.MISSED,
        "2026-11-19": CloseState.FAILED,
        "2026-11-18": CloseState.BREAKS,
        "2026-11-17": CloseState.CLOSED,
    }


def test_date_that_is_being_closed_is_not_missed(instance: dg.DagsterInstance) -> None:
    instance.create_run_for_job(
        definitions().resolve_job_def("daily_close"),
        status=dg.DagsterRunStatus.STARTED,
        tags={"dagster/partition": "2026-11-20"},
    )

    assert states(instance)["2026-11-20"] is CloseState.RUNNING


def test_close_of_a_date_that_had_not_ended_counts_for_nothing(
    instance: dg.DagsterInstance,
) -> None:
    dates = [str(today()), str(yesterday())]
    for name in ENOUGH:
        for day in dates:
            made = dg.AssetMaterialization(name, partition=day)
            instance.report_runless_asset_event(made)

    found = {close.business_date: close.state for close in closes_of(instance, dates)}

    assert found == dict(zip(dates, [CloseState.MISSED, CloseState.CLOSED], strict=True))
    assert reported_dates(instance, dates) == {str(yesterday())}


def test_date_without_its_publication_is_not_complete(instance: dg.DagsterInstance) -> None:
    close(instance, "2026-11-20", [name for name in ENOUGH if name != "published_marts"])

    assert states(instance)["2026-11-20"] is CloseState.INCOMPLETE


def test_steps_come_in_their_order_and_add_up_to_the_run(instance: dg.DagsterInstance) -> None:
    close(instance, "2026-11-20")

    (found,) = closes_of(instance, ["2026-11-20"])
    (record,) = instance.get_run_records()
    whole = found.steps[-1].at.timestamp() - (record.start_time or 0)

    assert [step.name for step in found.steps] == ["export", "reconcile", "publish", "report"]
    assert sum(step.seconds for step in found.steps) == pytest.approx(whole, abs=0.001)


def test_newest_close_of_a_date_counts(instance: dg.DagsterInstance) -> None:
    close(instance, "2026-11-20")
    (first,) = closes_of(instance, ["2026-11-20"])
    close(instance, "2026-11-20", ["daily_report"])
    (second,) = closes_of(instance, ["2026-11-20"])

    assert second.steps[-1].at > first.steps[-1].at
    assert second.steps[0] == first.steps[0]


def test_asset_shows_dates_and_fails_its_check_where_one_is_missed(
    instance: dg.DagsterInstance,
) -> None:
    close(instance, "2026-11-20")

    result = definitions().resolve_job_def("show").execute_in_process(instance=instance)

    (made,) = result.asset_materializations_for_node("daily_closes")
    (check,) = result.get_asset_check_evaluations()
    assert made.metadata["dates_that_need_a_person"].value == 3
    # The definition's own is a link, which an entry of the run would hide.
    assert "runbook" not in made.metadata
    assert (check.check_name, check.passed, check.severity) == (
        EVERY_DATE,
        False,
        dg.AssetCheckSeverity.WARN,
    )
    assert check.description == "2026-11-19 missed; 2026-11-18 missed; 2026-11-17 missed"


def test_dates_are_due_from_six_o_clock_and_no_more_than_a_fortnight() -> None:
    early = NOON.replace(hour=5, minute=59)

    assert due_dates(FIRST, NOON)[-1] == "2026-11-20"
    assert due_dates(FIRST, early)[-1] == "2026-11-19"
    assert len(due_dates(date(2025, 1, 1), NOON)) == 14


def test_home_without_a_due_date_shows_none(instance: dg.DagsterInstance) -> None:
    assert closes_of(instance, []) == []
    assert metadata_of([], NOON)["picture"].value == "No business date is due yet."


def test_picture_has_a_line_for_each_date_with_its_seconds() -> None:
    steps = [ClosedStep("export", NOON, 30.0), ClosedStep("report", NOON, 90.4)]
    closes = [
        DrawnClose("2026-11-20", "missed", "todo", []),
        DrawnClose("2026-11-19", "closed", "done", steps),
    ]

    root = ET.fromstring(close_svg(closes))  # noqa: S314 - made here
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]

    assert texts == [
        *("export", "reconcile", "publish", "report"),
        *("2026-11-20", "! missed"),
        *("2026-11-19", "closed", "30 s", "90 s", "120 s"),
    ]
    assert "- **2026-11-20: missed.**" in close_markdown(closes)
    assert "All of these 1 dates are closed." in close_markdown(closes[1:])
