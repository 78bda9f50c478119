"""Backfills on a real `cardops up`, by GraphQL and by command: nothing is credited or sent again, and intake goes on."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from orchestration.account import whoami
from tests.factories.documents import DOCS, fences
from tests.factories.real_days import today as real_today
from tests.factories.waiting import wait_until
from tests.servers.cardops_up import (
    CANCEL,
    CHARGEBACKS,
    DAYS,
    DEPOSITS,
    PATIENCE_SECONDS,
    ROOT,
    TRANSACTIONS,
    Up,
    environment,
    up,
)

pytestmark = [pytest.mark.database, pytest.mark.dagster, pytest.mark.timeout(900)]
# Dagster takes a run off the queue when its last step has ended, and writes the run's own end later.
DEQUEUED_WITHIN = 5.0
LAUNCHED = re.compile(r"Launched backfill job `(\w+)`")


@pytest.fixture(scope="module")
def first() -> Iterator[Up]:
    """With credited deposits, and chargebacks delivered to two card companies."""
    with up() as running:
        running.drop("deposits", DEPOSITS)
        running.drop("transactions", TRANSACTIONS)
        running.drop("chargebacks", CHARGEBACKS)
        for done, what in (
            (lambda: running.credit("user_up"), "the credit"),
            (lambda: len(running.partitions("chargeback_deliveries")) == 4, "the deliveries"),
        ):
            wait_until(done, what, seconds=PATIENCE_SECONDS, pause_seconds=0.5)
        yield running


def test_first_batch_is_delivered_by_the_sensor_that_follows_its_intake(first: Up) -> None:
    """A run of intake that ends before that sensor's first tick would never be seen by it.

    The deliveries are there before their run has ended.
    """
    of_sensor = {"dagster__sensor_name": "chargeback_delivery_sensor"}

    wait_until(
        lambda: first.runs("SUCCESS", **of_sensor),
        "the end of the delivery's run",
        seconds=PATIENCE_SECONDS,
    )

    assert len(first.runs(**of_sensor)) == 1


# Days are enough to see the order; a year is proved by the long tests.
@pytest.mark.parametrize("count", [30, pytest.param(DAYS, marks=pytest.mark.soak)])
def test_backfill_leaves_intake_running(first: Up, count: int) -> None:
    """A file that arrives meanwhile does not wait for the rest."""
    days = [str(real_today() - timedelta(days=ago)) for ago in range(count)]
    before = first.credit("user_up")
    backfill_id = first.backfill(days, "deposits")
    wait_until(lambda: first.ended_runs(backfill_id), "the first run", seconds=PATIENCE_SECONDS)
    first.drop(
        "deposits", DEPOSITS.replace("user_up", f"user_{count}").replace("dep_up", f"dep_{count}")
    )
    wait_until(lambda: first.credit(f"user_{count}"), "the credit", seconds=PATIENCE_SECONDS)
    ended = first.ended_runs(backfill_id)
    status = first.status_of(backfill_id)
    first.graphql(CANCEL, id=backfill_id)
    wait_until(
        lambda: first.status_of(backfill_id) in {"CANCELED", "FAILED"},
        "the end of the backfill",
        seconds=PATIENCE_SECONDS,
        pause_seconds=0.5,
    )

    assert status == "REQUESTED"
    assert 0 < len(ended) < count
    assert set(ended.values()) == {"SUCCESS"}
    assert first.credit("user_up") == before
    assert [credit["ledger_balance"] for credit in first.credit(f"user_{count}")] == [25.0]


def test_ui_lists_runs_of_the_intake_worker_at_their_jobs(first: Up) -> None:
    """By this tag it finds the runs of a job; runs of the worker have no place in a queue."""
    of_location = first.runs("SUCCESS", **{".dagster/repository": "__repository__@cardops"})
    of_worker = first.runs("SUCCESS", cardops__process=first.worker_tag())

    assert of_worker
    assert set(of_worker) <= set(of_location)


def test_backfills_credit_and_send_nothing_again_and_say_so(first: Up) -> None:
    """Newest date first and one twice, over a date whose files were credited; networks twice, too."""
    inboxes, before = first.received(), first.credit("user_up")
    days = [str(real_today() - timedelta(days=ago)) for ago in (0, 1, 0)]
    deposits_id = first.backfill(days, "deposits")
    networks = ("visa", "mastercard", "visa", "amex")
    keys = [f"{batch_of(first)}|{network}" for network in networks]
    backfill_id = first.backfill(keys, "chargeback_files", "chargeback_deliveries")
    wait_until_completed(first, deposits_id, backfill_id)

    assert set(first.ended_runs(backfill_id).values()) == {"SUCCESS"}
    assert first.ended_runs(deposits_id) == dict.fromkeys(days, "SUCCESS")
    assert first.credit("user_up") == before
    assert first.received() == inboxes
    said = first.said_of("chargeback_deliveries", keys[0])
    assert said.startswith("already delivered at ")
    assert said.endswith(" UTC, nothing sent")


def test_documented_commands_credit_and_send_nothing_again(first: Up) -> None:
    """The lines of the page as they stand there, with dates and batch of this home."""
    inboxes, before = first.received(), first.credit("user_up")
    days = [str(real_today() - timedelta(days=ago)) for ago in (1, 0)]
    (commands,) = (
        fence.text for fence in fences(DOCS / "backfills.md") if "job backfill" in fence.text
    )
    # The page's dates and batch; each must be there, and one of this home may be another of the page.
    here = dict(
        zip(
            ("2026-11-01", "2026-11-30", "default-2026-11-20-001"),
            (*days, batch_of(first)),
            strict=True,
        )
    )
    shown = re.compile("|".join(here))
    assert set(shown.findall(commands)) == set(here)
    done = subprocess.run(
        ["bash", "-euc", shown.sub(lambda found: here[found[0]], commands)],
        cwd=ROOT,
        env=environment(first.home, PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    deposits_id, delivery_id = LAUNCHED.findall(done.stdout)
    ended = {
        deposits_id: dict.fromkeys(days, "SUCCESS"),
        delivery_id: {f"{batch_of(first)}|visa": "SUCCESS"},
    }
    wait_until(
        lambda: {backfill_id: first.ended_runs(backfill_id) for backfill_id in ended} == ended,
        "the end of the runs",
        seconds=PATIENCE_SECONDS,
        pause_seconds=0.5,
    )

    assert first.credit("user_up") == before
    assert first.received() == inboxes
    said = first.said_of("chargeback_deliveries", f"{batch_of(first)}|visa")
    assert said.endswith(" UTC, nothing sent")


@pytest.mark.soak  # it builds the marts four times
def test_a_close_comes_before_the_next_date_of_a_backfill_of_marts(first: Up) -> None:
    """An operator launches it while the first date is being built; neither run fails, and no two build at once."""
    days = [str(real_today() - timedelta(days=ago)) for ago in (1, 2, 3)]
    backfill_id = first.backfill(days, *first.assets_of("analytics"))
    wait_until(
        lambda: first.runs("STARTED", dagster__backfill=backfill_id),
        "the first date",
        seconds=PATIENCE_SECONDS,
    )
    close_id = first.launch("daily_close", days[0])
    wait_until(partial(first.times_of_run, close_id), "the close", seconds=PATIENCE_SECONDS * 3)
    wait_until_completed(first, backfill_id)

    assert list(first.ended_runs(backfill_id).values()) == ["SUCCESS"] * len(days)
    (close,) = first.times_of_run(close_id)
    earliest, *later = first.times_of(backfill_id)
    in_order = [earliest, close, *later]
    assert in_order == sorted(in_order)
    for (_, ended), (started, _) in pairwise(in_order):
        assert ended <= started + DEQUEUED_WITHIN
    shown_id = first.materialize("daily_closes")
    wait_until(partial(first.times_of_run, shown_id), "the closes", seconds=PATIENCE_SECONDS)
    states = {
        row["business_date"]: row["state"] for row in first.table_of("daily_closes", "closes")
    }
    assert states[days[0]] == "closed"
    assert states[days[-1]] != "closed"


def test_changes_by_the_ui_and_by_commands_are_in_the_audit_trail(first: Up) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "orchestration.cli.main", "audit", "list", "--json"],
        cwd=ROOT,
        env=environment(first.home),
        capture_output=True,
        text=True,
        check=True,
    )

    entries = json.loads(done.stdout)["data"]
    assert {(entry["origin"], entry["actor"], entry["action"]) for entry in entries} == {
        ("ui", "unknown (no proxy)", "backfill"),
        ("ui", "unknown (no proxy)", "cancel backfill"),
        ("command", whoami(), "launch run"),
    }


def batch_of(running: Up) -> str:
    """The only one."""
    (batch,) = {key.partition("|")[0] for key in running.partitions("chargeback_deliveries")}
    return batch


def wait_until_completed(running: Up, *backfill_ids: str) -> None:
    for backfill_id in backfill_ids:
        wait_until(
            partial(running.has_completed, backfill_id),
            "the end of the backfill",
            seconds=PATIENCE_SECONDS,
            pause_seconds=0.5,
        )
