"""The nightly step that posts what disputes give back, with its checks and alarms."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from assets.provisional_credits import provisional_credits
from cardops.rules.provisional.records import NoticeKind
from tests.factories.disputed_purchases import DISPUTED_ON, DisputeDesk
from tests.fakes.clock import FakeClock
from tests.fakes.notifier import FakeNotifier

pytestmark = [pytest.mark.dagster, pytest.mark.database]
DAY = timedelta(days=1)


def test_night_posts_what_is_due_and_tells_of_debts(module_database_url: str) -> None:
    desk = DisputeDesk(module_database_url)
    desk.has_policy()
    desk.has_deposit("ana", 100_00)
    desk.buys("ana", "t-1", 40_00)
    desk.told("c-1", "t-1", 40_00)
    desk.told("c-2", "t-9", 5_00)
    credited = materialize(desk, 20)
    assert credited["posted"] == [("provisional_credit", "USD", "40.00")]
    assert credited["waiting"] == {"transaction_unknown": 1}
    assert credited["failed"] == ["no_disputed_purchase_waits_beyond_its_clock"]
    assert [subject for subject, *_ in credited["alarms"]] == [
        "1 credit(s) of disputes were given after the last day for it: visa/c-1 of default",
        "1 dispute(s) missed a clock of their regulation: visa/c-2 of default",
    ]
    snapshot = desk.lake.scan("provisional_credits").sort("case_number").collect()
    assert snapshot.select("state", "waiting_reason", "needs_person", "missed_clock").rows() == [
        ("standing", None, False, None),
        ("not_given", "transaction_unknown", True, "credit"),
    ]

    won = DISPUTED_ON + 20 * DAY
    desk.told("c-1", "t-1", 40_00, on=won, status="won")
    desk.notices("c-1", NoticeKind.TAKING_BACK, won)
    desk.spends("ana", "t-2", 90_00)
    taken_back = materialize(desk, 27)

    assert taken_back["posted"] == [("credit_taken_back", "USD", "40.00")]
    assert taken_back["failed"] == [
        "no_balance_is_below_zero_after_taking_back",
        "no_disputed_purchase_waits_beyond_its_clock",
    ]
    assert [subject for subject, *_ in taken_back["alarms"]] == [
        "1 balance(s) below zero after a credit was taken back: visa/c-1 of default",
        "1 dispute(s) missed a clock of their regulation: visa/c-2 of default",
    ]
    again = materialize(desk, 28)
    assert (again["posted"], len(again["alarms"])) == ([], 1)


def materialize(desk: DisputeDesk, days: int) -> dict[str, object]:
    """The close so many days after the disputes were opened."""
    notifier = FakeNotifier()
    noon = datetime.combine(DISPUTED_ON + days * DAY, datetime.min.time(), UTC)
    done = dg.materialize(
        [provisional_credits],
        partition_key=str(DISPUTED_ON),
        resources={
            "provisional_policies": desk.policies,
            "provisional_ledger": desk.ledger,
            "lake": desk.lake,
            "clock": FakeClock(noon),
            "notifier": notifier,
        },
    )
    (materialization,) = done.asset_materializations_for_node("provisional_credits")
    posted = materialization.metadata["posted"]
    assert isinstance(posted, dg.TableMetadataValue)
    return {
        **{name: value.value for name, value in materialization.metadata.items()},
        "posted": [tuple(row.data.values()) for row in posted.records],
        "failed": sorted(
            found.check_name
            for found in done.get_asset_check_evaluations()
            # Of the database's own day, which is none of this test's.
            if not found.passed and found.check_name != "no_notice_of_a_dispute_is_overdue"
        ),
        "alarms": notifier.alarms,
    }
