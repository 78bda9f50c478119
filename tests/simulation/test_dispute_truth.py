"""What the truth says of disputes' deadlines, filled columns and flags is what the platform finds."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from cardops.contracts.lake.chargeback_csv import rows_of_slot
from cardops.contracts.lake.supplements import supplements, with_supplements
from cardops.rules.chargebacks.files import FORMAT_VERSION, LineRule, SplitMode
from cardops.rules.chargebacks.filing import CHECKED_FLAGS
from cardops.rules.chargebacks.routing import NETWORKS
from cardops.rules.intake.files import Kind
from simulation.deadline_truth import deadlines_truth
from simulation.dispute_clocks import PROCESSOR_DAYS
from simulation.dispute_names import dispute_name
from simulation.dispute_rows import ENDED, dispute_key, grouped, is_accepted
from simulation.file_formats import write_input_file
from simulation.filed_truth import filed_truth
from simulation.generator import DEFAULT_HISTORY_END, DEFAULT_ROWS, DEFAULT_SEED, Day, make_day
from simulation.rows import InputFile
from tests.factories.intake_environment import IntakeWorld

DISPUTES = Kind("chargebacks")


@pytest.fixture(scope="module")
def default_day() -> Day:
    return make_day(DEFAULT_ROWS, DEFAULT_SEED, DEFAULT_HISTORY_END)


@pytest.fixture(scope="module")
def files(default_day: Day) -> list[InputFile]:
    """Its payments and disputes, without those that arrive late."""
    return [
        replace(file, rows=[row for row in file.rows if not row.released_by])
        for file in default_day.files
        if file.kind in {DISPUTES, Kind("transactions")} and "late" not in file.name
    ]


@pytest.fixture(scope="module")
def world(files: Sequence[InputFile], tmp_path_factory: pytest.TempPathFactory) -> IntakeWorld:
    world, folder = IntakeWorld(), tmp_path_factory.mktemp("disputes")
    for clock, days in PROCESSOR_DAYS.items():
        world.programs.set_response_days("default", *clock.split("/"), days, set_by="simulation")
    for file in files:
        write_input_file(file, folder / file.name)
        outcome = world.submit(str(file.kind), (folder / file.name).read_bytes(), name=file.name)
        assert outcome.error is None
    return world


def disputes_of(day: Day) -> dict[str, dict[str, Any]]:
    return day.truth["deadlines"]["disputes"]


def test_default_day_has_every_clock_and_disputes_without_one(default_day: Day) -> None:
    clocks = Counter(dispute["clock"] for dispute in disputes_of(default_day).values())
    counted = sum(
        (Counter(by) for by in default_day.truth["deadlines"]["networks"].values()), Counter()
    )

    assert set(clocks) == {"feed", "processor", "published", None}
    assert counted == Counter({clock or "nobody": count for clock, count in clocks.items()})
    assert counted.total() == sum(
        network["open"] for network in default_day.truth["disputes"]["networks"].values()
    )


def test_default_day_has_overdue_and_near_deadlines_and_inquiries(default_day: Day) -> None:
    disputes = disputes_of(default_day).values()
    due_on = [date.fromisoformat(said["reply_by"]) for said in disputes if said["reply_by"]]
    after_arrival = [said["days_after_arrival"] for said in disputes if said["days_after_arrival"]]

    assert any(day < DEFAULT_HISTORY_END for day in due_on)
    # On whatever day the files are ingested.
    assert any(0 < days <= 7 for days in after_arrival)
    assert any(said["stage"] == "inquiry" and said["clock"] for said in disputes)


def test_default_day_has_reopened_disputes_with_a_clock_of_their_own(default_day: Day) -> None:
    reopened = [
        rows
        for rows in grouped(default_day.files, is_accepted, dispute_key)
        if rows[-1].cells["status"] not in ENDED
        and any(row.cells["status"] in ENDED for row in rows)
    ]
    clocks = [(rows[0].due, rows[-1].due) for rows in reopened]

    assert len(reopened) > 1
    assert all(first != last for first, last in clocks)


def test_updates_carry_the_feeds_day_or_put_it_off(default_day: Day) -> None:
    updates = [
        (rows[0], rows[-1])
        for rows in grouped(default_day.files, is_accepted, dispute_key)
        if [row.cells["status"] for row in rows] == ["open", "pending_response"]
        and {row.cells["stage"] for row in rows} == {"chargeback"}
        and rows[0].due.clock == "feed"
    ]
    is_carried = [not update.cells["reply_by_date"] for _, update in updates]

    assert set(is_carried) == {True, False}
    for (first, update), carried in zip(updates, is_carried, strict=True):
        assert update.due.clock == "feed"
        assert (update.due == first.due) is carried


def test_platform_finds_the_deadlines_of_the_truth(
    files: Sequence[InputFile], world: IntakeWorld
) -> None:
    found = deadlines_of(world)
    arrived_on = world.clock.now().date()
    expected = {
        name: (
            said["stage"],
            said["clock"],
            arrived_on + timedelta(days=said["days_after_arrival"])
            if said["days_after_arrival"]
            else said["reply_by"] and date.fromisoformat(said["reply_by"]),
        )
        for name, said in deadlines_truth(files)["disputes"].items()
    }

    assert len(found) > 50
    assert found == expected


def test_platform_fills_and_flags_what_the_truth_says(
    files: Sequence[InputFile], world: IntakeWorld
) -> None:
    expected = filed_truth(files, ())

    assert filed_of(world) == expected
    assert all(network["lines"] for network in expected["networks"].values())
    assert set(expected["flags"]) == {str(flag) for flag in CHECKED_FLAGS}


def deadlines_of(world: IntakeWorld) -> dict[str, tuple[str, str | None, date | None]]:
    """By the last step of each dispute that is open."""
    steps = world.rows("chargebacks").sort("happened_at", "intake_id", "row_number")
    last = steps.unique(["network", "case_number"], keep="last").filter(
        ~pl.col("status").is_in(ENDED).fill_null(value=False)
    )
    named = pl.col("case_number").str.starts_with("case-")
    return {
        dispute_name(network, case, transaction, minor): (stage, clock, reply_by)
        for network, case, transaction, minor, stage, clock, reply_by in last.select(
            "network",
            pl.when(named).then("case_number"),
            "transaction_id",
            "dispute_amount_minor",
            "stage",
            "clock",
            "reply_by_on",
        ).rows()
    }


def filed_of(world: IntakeWorld) -> dict[str, Any]:
    """What the files of one batch of all accepted rows would say."""
    rows, paid = world.rows("chargebacks").lazy(), world.rows("transactions").lazy()
    batch = with_supplements(rows, supplements(rows, paid, rows).lazy())
    networks, flags = dict[str, Any](), Counter[str]()
    for network in sorted(NETWORKS):
        mode, rule = SplitMode.BY_NETWORK, LineRule.STAGES
        lines = rows_of_slot(batch, network, mode, rule, version=FORMAT_VERSION).collect()
        marks = [names.split(";") for names in lines["filled_columns"] if names]
        columns = Counter(name for names in marks for name in names)
        networks[network] = {"lines": len(marks), "columns": dict(sorted(columns.items()))}
        flags.update(flag for row in lines["flags"] for flag in row if flag in set(CHECKED_FLAGS))
    return {"networks": networks, "flags": dict(sorted(flags.items()))}
