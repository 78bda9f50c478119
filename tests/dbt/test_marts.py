"""The dbt project built on a small lake with known figures, and on an empty one."""

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import polars as pl
import pytest

from cardops.adapters.warehouse.dbt import run_dbt
from cardops.adapters.warehouse.duckdb_warehouse import DuckDbWarehouse
from cardops.adapters.warehouse.lake_disputes import DuckDbDisputes
from cardops.adapters.warehouse.monitoring import DuckDbMonitoringProgrammes
from cardops.adapters.warehouse.published_query import published_marts
from cardops.adapters.warehouse.ring_snapshots import LakeRingSnapshots
from cardops.adapters.warehouse.ring_sources import LakeRingSources
from cardops.contracts.lake.tables import lake_tables
from cardops.services.fraud.rings import FraudRings
from orchestration.cli.query_output import as_table
from tests.factories.documents import DOCS, fences
from tests.factories.kpi_example import MARTS, kpi_example
from tests.factories.lake_tables import DAY, NOON, a_balance, a_permit, a_posting, rows_of
from tests.factories.match_days import LAST_DAY, lake_of, match_days
from tests.fakes.lake import FakeLake
from tests.oracles.three_way_match import expected_breaks
from tests.servers.warm_dbt import WarmDbt, warm_dbt

# The first build, with every unit test, takes a minute of processor time.
pytestmark = pytest.mark.timeout(900)
DAY_BEFORE = date(2026, 11, 19)
KINDS_OF_BREAK = 9


def build(
    run: Callable[[list[str], dict[str, str]], None],
    lake: FakeLake,
    home: Path,
    *,
    select: str = "fqn:*",
    unit_tests: bool = False,
    data_tests: bool = True,
) -> DuckDbWarehouse:
    """A build; the daily close leaves out unit tests as well."""
    warehouse = DuckDbWarehouse(home)
    runs = {"unit_test": unit_tests, "test": data_tests}
    left_out = [f"--exclude-resource-type={kind}" for kind, is_run in runs.items() if not is_run]
    with warehouse.building(lake) as environment:
        run(
            [
                *["build", "--quiet", "--indirect-selection", "cautious", "--select", select],
                *left_out,
            ],
            dict(environment),
        )
    return warehouse


def rows(warehouse: DuckDbWarehouse, query: str) -> list[tuple[object, ...]]:
    with warehouse.reading() as session:
        return session.execute(query).fetchall()


def answers() -> list[dict[str, object]]:
    """A file of 43 rows of which three were rejected, and one that has no acknowledgement."""
    answered = {"batch_id": "b-1", "read_at": NOON + timedelta(minutes=90)}
    rejected = {**answered, "verdict": "rejected", "reopened_to": "b-3"}
    return [
        {**answered, "row_count": 40},
        {**rejected, "reason_code": "unknown_arn", "row_count": 2},
        {**rejected, "reason_code": "wrong_code", "row_count": 1},
        {"batch_id": "b-2", "verdict": "missing", "row_count": 7, "is_late": True},
    ]


def a_small_lake() -> FakeLake:
    lake = FakeLake()
    lake.write(
        "transactions", DAY_BEFORE, "1", rows_of("transactions", *payments_of_the_day_before())
    )
    lake.write("transactions", DAY, "2", rows_of("transactions", *payments_of_the_day()))
    lake.write("chargebacks", DAY, "3", rows_of("chargebacks", *disputes()))
    reported = {"transaction_id": "t-1", "merchant_id": "m-1"}
    lake.write("fraud_reports", DAY, "9", rows_of("fraud_reports", reported))
    lake.write("pre_dispute_outcomes", DAY, "10", rows_of("pre_dispute_outcomes", {}))
    found = {"intake_id": 3, "row_number": 3, "flags": ["duplicate_case"], "filled_columns": "arn"}
    filed = rows_of("chargeback_supplements", found, {**found, "row_number": 4, "flags": []})
    lake.write("chargeback_supplements", DAY, "default-2026-11-20-001", filed)
    lake.write("waiting_disputes", DAY, "snapshot", rows_of("waiting_disputes", *waiting()))
    lake.write("acknowledged_files", DAY, "snapshot", rows_of("acknowledged_files", *answers()))
    lake.write(
        "provisional_credits", DAY, "snapshot", rows_of("provisional_credits", *credits_given())
    )
    old = rows_of("provisional_credits", {"case_number": "c-0"})
    lake.write("provisional_credits", DAY - timedelta(days=1), "snapshot", old)
    recorded = {"network": "visa", "case_number": "c-2", "owner": "bea", "decision": "accept"}
    lake.write(
        "dispute_records",
        DAY,
        "snapshot",
        rows_of("dispute_records", {**recorded, "stage": "chargeback", "opening_number": 1}),
    )
    lake.write(
        "transaction_log",
        DAY_BEFORE,
        "snapshot",
        rows_of("transaction_log", *log_of_the_day_before()),
    )
    lake.write("transaction_log", DAY, "snapshot", rows_of("transaction_log", *log_of_the_day()))
    lake.write(
        "reconciliation_totals", DAY, "snapshot", rows_of("reconciliation_totals", *totals())
    )
    lake.write("quarantined_rows", DAY, "snapshot", rows_of("quarantined_rows", {}))
    lake.write("file_deliveries", DAY, "snapshot", rows_of("file_deliveries", *made_files()))
    former = rows_of("file_deliveries", {"state": "made"})
    lake.write("file_deliveries", DAY_BEFORE, "snapshot", former)
    lake.write("deposits", DAY_BEFORE, "1", rows_of("deposits", a_credit(1), a_credit(2)))
    lake.write(
        "balances", DAY_BEFORE, "snapshot", rows_of("balances", a_balance("user_1", 5000, 1))
    )
    lake.write("balances", DAY, "snapshot", rows_of("balances", *closing_balances()))
    return lake


def made_files() -> list[dict[str, object]]:
    return [{}, {"network": "amex", "state": "delivered_unconfirmed", "acknowledgement": "missing"}]


def totals() -> list[dict[str, object]]:
    return [{"account_count": 2, "balance_minor": 2751, "posted_minor": 2751}]


def a_credit(number: int) -> dict[str, object]:
    """A row of the first deposit file: its first row is in the log too, the second not yet."""
    return {"deposit_id": f"user_1-{number}", "row_number": number, "amount_minor": 5000}


def payments_of_the_day_before() -> list[dict[str, object]]:
    shared = {"user_id": "user_2", "device_id": "d-1"}
    return [
        {"transaction_id": "t-1", "row_number": 1, "status": "pending"},
        {"transaction_id": "t-2", "row_number": 2, "status": "failed", "error_code": "51"},
        {"transaction_id": "t-3", "row_number": 3, "payment_method": "wallet", **shared},
        {"transaction_id": "t-4", "row_number": 4, "status": "pending"},
    ]


def payments_of_the_day() -> list[dict[str, object]]:
    return [
        {
            "intake_id": 2,
            "transaction_id": "t-1",
            "row_number": 1,
            "updated_at": NOON,
            "device_id": "D-1",
        },
        {"intake_id": 2, "transaction_id": "t-5", "row_number": 2, "status": "refunded"},
        {"intake_id": 2, "transaction_id": "t-6", "row_number": 3},
    ]


def disputes() -> list[dict[str, object]]:
    return [
        {"intake_id": 3, "row_number": 1, "case_number": "c-1", "stage": "inquiry"},
        {
            "intake_id": 3,
            "row_number": 2,
            "case_number": "c-1",
            "dispute_amount_minor": 750,
            "status": "won",
            "resolution_date": date(2026, 11, 25),
        },
        {
            "intake_id": 3,
            "row_number": 3,
            "case_number": "c-2",
            "transaction_id": "t-1",
            "flags": ["refunded_already"],
        },
        {
            "intake_id": 3,
            "row_number": 4,
            "case_number": "c-3",
            "transaction_id": "t-3",
            "network": "amex",
            "stage": "inquiry",
        },
    ]


def waiting() -> list[dict[str, object]]:
    again = {"row_number": 2, "dispute_amount_minor": -250, "reply_by_on": DAY}
    other = {"row_number": 3, "case_number": "c-2", "waiting_since": NOON - timedelta(days=1)}
    yen = {"row_number": 4, "dispute_currency": "JPY", "dispute_amount_minor": 2**62}
    more = {**yen, "row_number": 5}
    return [{}, again, other, yen, more, {"row_number": 6, "reason": "rejected"}]


def credits_given() -> list[dict[str, object]]:
    nothing = {"credit_amount_minor": None, "kept_amount_minor": None, "credit_currency": None,
               "credited_on": None, "state": "not_given"}  # fmt: skip
    return [
        {"notice": "credit", "notice_due_on": DAY + timedelta(days=2)},
        {**nothing, "case_number": "c-2", "waiting_reason": "transaction_unknown",
         "needs_person": True, "missed_clock": "credit", "dispute_currency": "EUR"},
        {**nothing, "case_number": "c-3", "waiting_reason": "inquiry", "credit_due_on": None,
         "final_on": None},
        {"case_number": "c-4", "state": "taken_back", "kept_amount_minor": 0, "ended_on": DAY},
    ]  # fmt: skip


def log_of_the_day_before() -> list[dict[str, object]]:
    return [a_posting("user_1", 5000, 1)]


def log_of_the_day() -> list[dict[str, object]]:
    hold = {
        **a_permit("p-2"),
        "kind": "decision",
        "event_key": "p-2",
        "amount_minor": 300,
        "is_capture": False,
        "held_change_minor": 300,
        "ledger_seq": 3,
        "remaining_minor": 2450,
    }
    reject = {
        **a_permit("p-3"),
        "kind": "decision",
        "event_key": "p-3",
        "status": "REJECT",
        "reason_code": "insufficient_credit",
        "amount_minor": 999_999,
        "ledger_seq": 3,
    }
    # Written after the balance was read, so it is in the log and not in the balance.
    late = a_posting("user_1", -50, 4)
    return [a_posting("user_1", -2250, 2), hold, reject, late, a_posting("user_2", 1, 1)]


def closing_balances() -> list[dict[str, object]]:
    return [a_balance("user_1", 2450, 3, held_minor=300), a_balance("user_2", 1, 1)]


def with_rings(lake: FakeLake) -> FakeLake:
    """Snapshots of two dates, and what a process that ended early left of another one."""
    service = FraudRings(LakeRingSources(lake), LakeRingSnapshots(lake))
    service.snapshot(DAY_BEFORE)
    service.snapshot(DAY)
    left = lake.scan("fraud_ring_members", [DAY])
    assert left is not None
    lake.write(
        "fraud_ring_members", DAY, "other", left.collect().with_columns(snapshot_id=pl.lit("other"))
    )
    return lake


@pytest.fixture(scope="module")
def dbt() -> Iterator[WarmDbt]:
    with warm_dbt() as dbt:
        yield dbt


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all tests: dbt parses the project once for the paths that it was given."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def built(dbt: WarmDbt, home: Path) -> DuckDbWarehouse:
    """The small lake's marts, which no test changes for the others.

    The unit tests of the models run here, once: a build fails with any of them.
    """
    return build(dbt.run, with_rings(a_small_lake()), home, unit_tests=True)


@pytest.fixture
def home_with_marts(home: Path, built: DuckDbWarehouse, tmp_path: Path) -> Iterator[Path]:
    """The home of `built`, for a test that builds again; its marts are put back afterwards."""
    backup = shutil.copy(built.build_file, tmp_path / "backup.duckdb")
    yield home
    shutil.copy(backup, built.build_file)


@pytest.fixture
def home_without_marts(home_with_marts: Path) -> Path:
    """The same before its first build."""
    DuckDbWarehouse(home_with_marts).build_file.unlink()
    return home_with_marts


def test_failure_rate_counts_each_transaction_by_its_latest_version(
    built: DuckDbWarehouse,
) -> None:
    found = rows(
        built,
        "select payment_method, attempt_count, failed_count, payment_failure_rate::text"
        " from marts.fct_payment_failure_rate_per_payment_method order by 1",
    )

    assert found == [("credit_card", 4, 1, "0.250000"), ("digital_wallet", 1, 0, "0.000000")]


def test_chargeback_rate_counts_a_disputed_transaction_once_and_no_inquiry(
    built: DuckDbWarehouse,
) -> None:
    found = rows(
        built,
        "select payment_method, currency, settled_transaction_count, disputed_transaction_count,"
        " chargeback_rate_by_count::text, transaction_volume_minor::text, dispute_value_minor::text,"
        " chargeback_rate_by_value::text"
        " from marts.fct_chargeback_rate_per_payment_method order by 1",
    )

    assert found == [
        ("credit_card", "USD", 3, 1, "0.333333", "3000", "1750", "0.583333"),
        ("digital_wallet", "USD", 1, 0, "0.000000", "1000", "0", "0.000000"),
    ]


def test_dispute_is_one_row_with_its_latest_stage_amount_and_outcome(
    built: DuckDbWarehouse,
) -> None:
    found = rows(
        built,
        "select case_number, stage, outcome, dispute_amount_minor, payment_method,"
        " has_reached_chargeback, version_count, days_to_resolution"
        " from marts.fct_disputes order by 1",
    )

    assert found == [
        ("c-1", "chargeback", "won", 750, "credit_card", True, 2, 5),
        ("c-2", "chargeback", "open", 1000, "credit_card", True, 1, None),
        ("c-3", "inquiry", "open", 1000, "digital_wallet", False, 1, None),
    ]


def test_flag_that_is_found_when_a_batch_is_filed_is_among_the_disputes_flags(
    built: DuckDbWarehouse,
) -> None:
    found = rows(built, "select case_number, flags from marts.fct_disputes order by 1")

    assert found == [("c-1", []), ("c-2", ["duplicate_case", "refunded_already"]), ("c-3", [])]


def test_rings_of_the_marts_are_those_of_the_last_snapshot(built: DuckDbWarehouse) -> None:
    found = rows(
        built,
        "select member_count, device_count, dispute_count, inquiry_count, disputing_member_count,"
        " cycle_count, has_cycles, is_new, business_date from marts.fct_fraud_rings",
    )
    members = rows(built, "select user_id, linked_by from marts.fct_fraud_ring_members order by 1")

    # Both disputes of the chargeback stage are of the one transaction that both users touch.
    assert found == [(2, 1, 2, 1, 1, 1, True, True, DAY)]
    assert members == [
        ("user_1", "device-1: user_1, user_2"),
        ("user_2", "device-1: user_1, user_2"),
    ]
    assert rows(built, "select count(*) from marts.fct_fraud_ring_links") == [(2,)]
    assert rows(built, "select count(*) from marts.fct_fraud_ring_hubs") == [(0,)]


def test_money_of_rings_is_that_of_their_members_disputes(built: DuckDbWarehouse) -> None:
    found = rows(
        built,
        "select ring_id, currency, dispute_count, disputed_amount_minor"
        " from marts.fct_fraud_ring_money where dispute_count > 0",
    )
    expected = rows(
        built,
        "select members.ring_id, disputes.dispute_currency, count(*),"
        " sum(disputes.dispute_amount_minor)"
        " from marts.fct_disputes as disputes"
        " inner join intermediate.int_transactions_latest as transactions"
        "     using (program, transaction_id)"
        " inner join marts.fct_fraud_ring_members as members"
        "     using (program, user_id)"
        " where not disputes.is_inquiry group by all",
    )

    assert found == expected
    assert [row[1:] for row in found] == [("USD", 2, 1750)]


def test_queue_of_the_marts_is_that_of_the_lake(built: DuckDbWarehouse) -> None:
    found = rows(
        built,
        "select case_number, network, stage, opening_number, opened_on, reply_by_on, owner, decision"
        " from marts.fct_dispute_queue order by 1",
    )
    columns = ("case_number", "network", "stage", "opening_number", "opened_on", "reply_by_on")
    lake = DuckDbDisputes(a_small_lake()).open_disputes().select(columns).sort("case_number")

    assert [row[:6] for row in found] == lake.rows()
    assert [(row[0], *row[6:]) for row in found] == [("c-2", "bea", "accept"), ("c-3", None, None)]


def test_waiting_disputes_are_counted_by_reason_with_their_money_by_currency(
    built: DuckDbWarehouse,
) -> None:
    found = rows(
        built,
        "select reason, network, dispute_currency, row_count, dispute_count, dispute_amount_minor::text,"
        " waiting_since = timestamptz '2026-11-19 12:00:00+00', reply_by_on"
        " from marts.fct_waiting_disputes order by 1, 3",
    )

    assert found == [
        ("file_dead", "visa", "JPY", 2, 1, str(2**63), False, None),
        ("file_dead", "visa", "USD", 3, 2, "1750", True, DAY),
        ("rejected", "visa", "USD", 1, 1, "1000", False, None),
    ]


def test_deposit_has_its_file_and_when_it_was_credited(built: DuckDbWarehouse) -> None:
    found = rows(
        built,
        "select deposit_id, state, posted_at is not null, source_file, row_number, business_date"
        " from marts.fct_deposits order by 1",
    )

    assert found == [
        ("user_1-1", "credited", True, "incoming/file.csv", 1, DAY_BEFORE),
        ("user_1-2", "credited", False, "incoming/file.csv", 2, DAY_BEFORE),
        ("user_2-1", "credited", True, None, None, None),
    ]


def test_chargeback_file_is_one_row_as_it_stood_at_the_last_close(built: DuckDbWarehouse) -> None:
    found = rows(
        built,
        "select network, state, verified_sha256, acknowledgement from marts.fct_deliveries order by 1",
    )

    assert found == [
        ("amex", "delivered_unconfirmed", None, "missing"),
        ("visa", "delivered", "bb", "none"),
    ]
    assert rows(built, "select reasons, state from marts.fct_quarantine") == [
        (["invalid_amount"], "refused")
    ]


def test_reconciled_date_shows_its_movements_and_all_balances(built: DuckDbWarehouse) -> None:
    found = rows(
        built,
        "select business_date, deposits_minor, spends_minor, balance_minor,"
        " balance_by_postings_minor, balance_by_log_minor, difference_minor, break_count"
        " from marts.fct_reconciliation",
    )

    # The log also has what was spent after the balances were read.
    assert found == [(DAY, 1, 2300, 2751, 2751, 2701, 0, 0)]


def test_acknowledged_rows_are_counted_by_file_verdict_and_reason(built: DuckDbWarehouse) -> None:
    found = rows(
        built,
        "select batch_id, verdict, reason_code, row_count, hours_until_acknowledged, is_late"
        " from marts.fct_acknowledgements order by 1, 2, 3",
    )

    assert found == [
        ("b-1", "accepted", None, 40, 1.5, False),
        ("b-1", "rejected", "unknown_arn", 2, 1.5, False),
        ("b-1", "rejected", "wrong_code", 1, 1.5, False),
        ("b-2", "missing", None, 7, None, True),
    ]


def test_provisional_credits_say_which_clock_runs_and_for_how_long(
    built: DuckDbWarehouse,
) -> None:
    found = rows(
        built,
        "select case_number, state, clock, clock_days_left, notice_days_left, kept_amount_minor,"
        " coalesce(credit_currency, dispute_currency) from marts.fct_provisional_credits order by 1",
    )

    assert found == [
        ("c-1", "standing", "investigation", 70, 2, 1000, "USD"),
        ("c-2", "not_given", "credit", -6, None, None, "EUR"),
        ("c-3", "not_given", None, None, None, None, "USD"),
        ("c-4", "taken_back", None, None, None, 0, "USD"),
    ]


def test_rows_of_every_table_and_view_are_counted(built: DuckDbWarehouse) -> None:
    shown = {name: table.row_count for name, table in built.built_tables().items()}
    with built.reading() as session:
        every = session.execute(
            "select table_schema || '.' || table_name, table_name from information_schema.tables"
            " where table_schema in ('seeds', 'staging', 'intermediate', 'marts')"
        ).fetchall()
        counted = {
            name: session.table(relation).aggregate("count(*)").fetchall()[0][0]
            for relation, name in every
        }

    assert shown == counted
    assert shown["stg_lake__transactions"] == 7


def test_daily_balances_are_exact_to_the_minor_unit(built: DuckDbWarehouse) -> None:
    found = rows(
        built,
        "select business_date, user_id, available_minor, held_minor, ledger_minor"
        " from marts.fct_daily_balances order by 1, 2",
    )

    assert found == [
        (DAY_BEFORE, "user_1", 5000, 0, 5000),
        (DAY, "user_1", 2450, 300, 2750),
        (DAY, "user_2", 1, 0, 1),
    ]


def test_daily_movements_are_summed_by_kind_without_rejects(built: DuckDbWarehouse) -> None:
    found = rows(
        built,
        "select kind, entry_count, posted_minor, held_change_minor"
        " from marts.fct_daily_movements where business_date = '2026-11-20' order by 1",
    )

    assert found == [("decision", 3, -2300, 300), ("deposit", 1, 1, 0)]


def test_table_without_any_file_becomes_an_empty_mart(
    dbt: WarmDbt, home_without_marts: Path
) -> None:
    warehouse = build(dbt.run, FakeLake(), home_without_marts, data_tests=False)

    assert rows(warehouse, "select count(*) from marts.fct_disputes") == [(0,)]
    assert warehouse.publish().row_counts["fct_daily_balances"] == 0


def test_next_build_updates_a_day_that_was_exported_again(
    dbt: WarmDbt, home_with_marts: Path
) -> None:
    lake = a_small_lake()
    frame = lake.frames["transaction_log", DAY_BEFORE, "snapshot"]
    second = rows_of("transaction_log", a_posting("user_9", -1, 7))
    lake.write("transaction_log", DAY_BEFORE, "snapshot", pl.concat([frame, second]))

    warehouse = build(dbt.run, lake, home_with_marts, select="+fct_authorizations")

    found = rows(
        warehouse,
        "select business_date, count(*) from marts.fct_authorizations group by 1 order by 1",
    )
    assert found == [(DAY_BEFORE, 1), (DAY, 4)]


def test_next_build_updates_a_day_that_was_restated_with_as_many_rows(
    dbt: WarmDbt, home_with_marts: Path
) -> None:
    lake = a_small_lake()
    restated = a_balance("user_1", 5001, 1)
    lake.write("balances", DAY_BEFORE, "snapshot", rows_of("balances", restated))
    log = rows_of("transaction_log", a_posting("user_1", 5001, 1))
    lake.write("transaction_log", DAY_BEFORE, "snapshot", log)
    del lake.frames["balances", DAY, "snapshot"]

    warehouse = build(dbt.run, lake, home_with_marts, select="+fct_daily_balances")

    found = rows(warehouse, "select business_date, available_minor from marts.fct_daily_balances")
    assert found == [(DAY_BEFORE, 5001)]


def test_table_that_no_model_makes_any_more_is_dropped(dbt: WarmDbt, home_with_marts: Path) -> None:
    warehouse = DuckDbWarehouse(home_with_marts)
    with duckdb.connect(str(warehouse.build_file)) as session:
        session.execute("create table marts.fct_decisions as select 1 as n")

    build(dbt.run, a_small_lake(), home_with_marts, select="stg_lake__orders")

    query = "select count(*) from information_schema.tables where table_name = 'fct_decisions'"
    assert rows(warehouse, query) == [(0,)]


def test_match_finds_every_planted_break_and_nothing_else(
    dbt: WarmDbt, home_without_marts: Path
) -> None:
    """Three programs share ids, orders and users; none meets another's."""
    programs = [match_days(name, seed, rounds=5) for seed, name in enumerate(("a", "b", "c"))]

    warehouse = build(dbt.run, lake_of(programs), home_without_marts, select="+fct_match_breaks")

    found = rows(
        warehouse, "select program, transaction_id, kind, age_days from marts.fct_match_breaks"
    )
    planted = set[tuple[str, str, str]]().union(*(days.planted for days in programs))
    assert {(program, key, kind) for program, key, kind, _ in found} == planted
    expected = [expected_breaks(days, LAST_DAY) for days in programs]
    assert set(found) == set[object]().union(*expected)
    assert len({kind for _, _, kind in planted}) == KINDS_OF_BREAK


def test_worked_example_of_the_kpi_page_is_what_the_marts_say(
    dbt: WarmDbt, home_without_marts: Path
) -> None:
    example = kpi_example()

    # Its data tests are those of the small lake: they cost more than the marts.
    marts = " ".join(f"+{mart}" for mart in MARTS)
    warehouse = build(dbt.run, example.lake, home_without_marts, select=marts, data_tests=False)

    for mart, (query, expected) in example.tables.items():
        assert rows(warehouse, query) == expected, mart
    bounds = rows(
        warehouse,
        "select chargeback_rate_by_count_lower::text, chargeback_rate_by_count_upper::text"
        " from marts.fct_chargeback_rate_per_payment_method"
        " where payment_method = 'credit_card' and currency = 'USD'",
    )
    assert bounds == [example.interval]


def test_deposit_files_are_paired_with_the_banks_credits(
    dbt: WarmDbt, home_without_marts: Path
) -> None:
    lake = FakeLake()
    # File -> (name, amount); files 5 and 6 have the same amount, paid once.
    files = {1: ("payroll-1", 500), 2: ("payroll-2", 600), 3: ("x", 700), 4: ("y", 800),
             5: ("z", 900), 6: ("zz", 900)}  # fmt: skip
    for intake_id, (name, amount) in files.items():
        row = {
            "intake_id": intake_id,
            "source_file": f"incoming/deposits/default/{name}.csv.gz",
            "deposit_id": f"d-{intake_id}",
            "amount_minor": amount,
        }
        elsewhere = {**row, "program": "another", "intake_id": 90 + intake_id}
        lake.write("deposits", DAY, str(intake_id), rows_of("deposits", row, elsewhere))
    # A file that was never paid does not take the money of a later one.
    unpaid = {"intake_id": 8, "deposit_id": "d-8", "amount_minor": 700, "source_file": "a/u.csv"}
    lake.write("deposits", date(2026, 11, 1), "8", rows_of("deposits", unpaid))
    # Payments: file 1 in two parts, file 2 short, file 3 by amount, file 4 too late, one of nobody.
    payments = [(200, "PAYROLL-1 part"), (300, "for payroll-1"), (599, "payroll-2"), (700, None),
               (800, None), (900, None), (5, None), (-700, None)]  # fmt: skip
    entries = [
        {
            "row_number": number,
            "entry_id": str(number),
            "amount_minor": amount,
            "remittance": text,
            "statement_date": date(2026, 11, 26) if amount == 800 else DAY,
        }
        for number, (amount, text) in enumerate(payments, 1)
    ]
    lake.write("bank_statements", DAY, "7", rows_of("bank_statements", *entries))

    credited_on, paid_on = a_chain_of_equal_amounts(lake)

    warehouse = build(dbt.run, lake, home_without_marts, select="+fct_deposit_funding")

    found = rows(
        warehouse,
        "select intake_id, entry_id, state, matched_by, funded_minor, age_days"
        " from marts.fct_deposit_funding where 4200 not in (deposited_minor, funded_minor)"
        " order by intake_id, entry_id",
    )
    chain = rows(
        warehouse,
        "select state, count(*) from marts.fct_deposit_funding"
        " where 4200 in (deposited_minor, funded_minor) group by state",
    )
    pairs = most_pairs(credited_on, paid_on, days=5)
    assert dict(chain) == {"funded": pairs, "not_funded": len(credited_on) - pairs}
    assert pairs == len(paid_on)
    assert found == [
        (1, None, "funded", "reference", 500, 6),
        (2, None, "amount_differs", "reference", 599, 6),
        (3, None, "funded", "amount", 700, 6),
        (4, None, "not_funded", None, 0, 6),
        (5, None, "funded", "amount", 900, 6),
        (6, None, "not_funded", None, 0, 6),
        (8, None, "not_funded", None, 0, 25),
        (None, "5", "not_credited", None, 800, 0),
        (None, "7", "not_credited", None, 5, 6),
    ]


def a_chain_of_equal_amounts(lake: FakeLake) -> tuple[list[date], list[date]]:
    """Files and payments of 4200; each that has none shifts the others. Their dates."""
    first, random = date(2026, 3, 1), Random(7)  # noqa: S311 - not for secrets
    paid_on, credited_on = [], []
    for number in range(200):
        day = first + timedelta(days=number)
        if number % 19:
            deposit = {"intake_id": 100 + number, "deposit_id": f"chain-{number}", "amount_minor": 4200,
                       "source_file": "a/b.csv"}  # fmt: skip
            lake.write("deposits", day, str(100 + number), rows_of("deposits", deposit))
            credited_on.append(day)
        if number % 9:
            paid_on.append(day + timedelta(days=random.randrange(3)))
    entries = [
        {
            "row_number": number,
            "entry_id": f"c-{number}",
            "amount_minor": 4200,
            "statement_date": day,
        }
        for number, day in enumerate(paid_on, 100)
    ]
    lake.write("bank_statements", DAY, "8", rows_of("bank_statements", *entries))
    return credited_on, sorted(paid_on)


def most_pairs(files: list[date], credits_: list[date], *, days: int) -> int:
    """How many pairs there can be at most: the longest path through a table of both."""
    counts = [[0] * (len(credits_) + 1) for _ in range(len(files) + 1)]
    for row, file in enumerate(files, 1):
        for column, credit in enumerate(credits_, 1):
            is_near = abs((file - credit).days) <= days
            counts[row][column] = max(
                counts[row - 1][column],
                counts[row][column - 1],
                counts[row - 1][column - 1] + is_near,
            )
    return counts[-1][-1]


def test_ledger_that_does_not_add_up_fails_the_build(home_without_marts: Path) -> None:
    """In a process of its own, as a command runs dbt."""
    lake = a_small_lake()
    wrong = {**a_balance("user_1", 2450, 3, held_minor=300), "ledger_minor": 2751}
    lake.write("balances", DAY, "snapshot", rows_of("balances", wrong))

    with pytest.raises(RuntimeError, match="assert_ledger_balance_is_available_plus_held"):
        build(run_dbt, lake, home_without_marts, select="+fct_daily_balances")


def test_publishing_does_not_disturb_readers_of_the_previous_publication(
    built: DuckDbWarehouse,
) -> None:
    path = built.publish().path
    with duckdb.connect(str(path), read_only=True) as reader:
        before = reader.execute("select count(*) from fct_authorizations").fetchall()
        built.publish()
        assert reader.execute("select count(*) from fct_authorizations").fetchall() == before


def test_reported_fraud_counts_beside_disputes_of_its_merchant(built: DuckDbWarehouse) -> None:
    query = """
        select merchant_id, dispute_count, fraud_report_count, excluded_dispute_count, is_alarm
        from fct_monitoring_programmes where programme = 'visa_vamp' order by merchant_id
    """

    counted = rows(built, query)

    assert ("m-1", 0, 1, 0, False) in counted
    # Both disputes are of a payment whose alert was accepted before.
    assert ("unknown", 0, 0, 2, False) in counted
    # Nothing near a line, so nothing is told.
    assert DuckDbMonitoringProgrammes(built).alarms() == []


def test_merchant_near_a_line_is_read_with_its_figures(
    home_with_marts: Path, built: DuckDbWarehouse
) -> None:
    with duckdb.connect(str(built.build_file)) as session:
        session.execute("""
            update marts.fct_monitoring_programmes
            set is_alarm = true, line_tier = 'excessive', tier_reached = null, sales_count = 9
            where merchant_id = 'm-1'
        """)

    (alarm,) = DuckDbMonitoringProgrammes(DuckDbWarehouse(home_with_marts)).alarms()

    assert (alarm.program, alarm.merchant_id, alarm.programme) == ("default", "m-1", "visa_vamp")
    assert (alarm.month, alarm.is_reached) == (DAY.replace(day=1), False)
    assert alarm.figures is not None
    assert (alarm.figures.case_count, alarm.figures.sales_count) == (1, 9)


def test_guides_queries_print_what_the_guide_shows(built: DuckDbWarehouse, home: Path) -> None:
    built.publish()
    parts = fences(DOCS / "analysts.md")
    questions = [pair for pair in pairwise(parts) if pair[0].language == "sql"]

    with published_marts(home, 60) as marts:
        for query, shown in questions:
            result = marts.run(query.text)
            found = as_table(result.columns, [row for rows in result.batches() for row in rows])
            assert found == shown.text.rstrip(), f"docs/analysts.md:{shown.line} prints\n{found}"

    assert len(questions) >= 10


def test_guides_python_reads_the_published_marts(
    built: DuckDbWarehouse, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built.publish()
    monkeypatch.setenv("CARDOPS_HOME", str(home))
    names: dict[str, Any] = {}
    for fence in fences(DOCS / "analysts.md"):
        if fence.language == "python":
            exec(fence.text, names)  # noqa: S102 - the page's own lines

    assert len(names["as_polars"]) == len(names["disputes"]) > 0
    assert len(names["as_pandas"]) > 0


@pytest.fixture(scope="module")
def manifest(built: DuckDbWarehouse) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((built.target_path / "manifest.json").read_text())
    return found


def test_every_column_of_every_model_is_described(
    built: DuckDbWarehouse, manifest: dict[str, Any]
) -> None:
    columns = rows(
        built,
        "select table_name, column_name from information_schema.columns "
        "where table_schema in ('staging', 'intermediate', 'marts')",
    )
    models = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    described = {
        (model["name"], column["name"]): column["description"].strip()
        for model in models
        for column in model["columns"].values()
    }

    assert {model["name"] for model in models if not model["description"]} == set()
    assert set(columns) == set(described)
    assert [name for name, description in described.items() if len(description) < 5] == []


def test_sources_describe_the_columns_that_the_lake_has(manifest: dict[str, Any]) -> None:
    sources = list(manifest["sources"].values())

    for source in sources:
        expected = {*lake_tables()[source["name"]], "business_date"}
        assert set(source["columns"]) == expected, source["name"]
    columns = [column for source in sources for column in source["columns"].values()]
    assert [column["name"] for column in columns if not column["description"]] == []


def test_source_has_a_deadline_or_says_that_it_has_none(manifest: dict[str, Any]) -> None:
    for source in manifest["sources"].values():
        has_deadline = bool(
            source["config"]["freshness"] and source["config"]["freshness"]["warn_after"]["count"]
        )
        assert has_deadline != ("No deadline" in source["description"]), source["name"]


def test_table_that_was_left_out_of_a_close_is_a_warning(
    dbt: WarmDbt, home_with_marts: Path
) -> None:
    lake = a_small_lake()
    lake.write(
        "reconciliation_totals",
        DAY + timedelta(days=1),
        "snapshot",
        rows_of("reconciliation_totals"),
    )
    lake.write("balances", DAY + timedelta(days=1), "snapshot", rows_of("balances"))

    warehouse = build(
        dbt.run, lake, home_with_marts, select="source:*,test_name:is_of_the_newest_closed_date"
    )

    results = json.loads((warehouse.target_path / "run_results.json").read_text())["results"]
    # dbt's name of such a test ends in the table twice: once as the source, once as the argument.
    texts = {
        result["unique_id"].split(".")[2].split("_lake_")[1]: result["status"]
        for result in results
        if result["unique_id"].startswith("test.")
    }
    named = {text[: len(text) // 2]: status for text, status in texts.items()}
    assert len(named) == 12
    assert {table for table, status in named.items() if status == "pass"} == {
        "balances",
        "reconciliation_totals",
    }
    assert set(named.values()) == {"pass", "warn"}


def test_freshness_of_sources_is_that_of_the_last_close(
    dbt: WarmDbt, home_with_marts: Path
) -> None:
    closed = datetime.now(UTC).date() - timedelta(days=1)
    lake = FakeLake()
    lake.write("balances", closed, "snapshot", rows_of("balances"))
    lake.write(
        "transaction_log", closed - timedelta(days=2), "snapshot", rows_of("transaction_log")
    )
    warehouse = DuckDbWarehouse(home_with_marts)

    with warehouse.building(lake) as environment:
        dbt.run(
            [
                "source",
                "freshness",
                "--quiet",
                "--select",
                "source:lake.balances",
                "source:lake.transaction_log",
            ],
            dict(environment),
        )

    results = json.loads((warehouse.target_path / "sources.json").read_text())["results"]
    assert {result["unique_id"].split(".")[-1]: result["status"] for result in results} == {
        "balances": "pass",
        "transaction_log": "warn",
    }


def test_every_docs_block_describes_a_column(manifest: dict[str, Any]) -> None:
    # The overview is the first page of dbt's docs.
    blocks = {
        name
        for name, block in manifest["docs"].items()
        if block["package_name"] == "cardops" and block["name"] != "__overview__"
    }
    nodes = [*manifest["nodes"].values(), *manifest["sources"].values()]
    used = {
        block
        for node in nodes
        for column in node.get("columns", {}).values()
        for block in column["doc_blocks"]
    }

    # The front page of dbt's docs describes no column.
    assert blocks - {"doc.cardops.__overview__"} == used
