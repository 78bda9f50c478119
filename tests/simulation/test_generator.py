"""The generator makes the same day every time, and its truth adds up and matches the intake's results."""

import hashlib
import json
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cardops.contracts.judging.judging import flags_of, reasons_of
from cardops.contracts.kinds.contract import status_field
from cardops.contracts.kinds.deposits import DEPOSITS, DepositRow
from cardops.contracts.kinds.registry import KINDS
from cardops.contracts.lake.chargeback_csv import rows_of_slot
from cardops.rules.chargebacks.files import LineRule, SplitMode
from cardops.rules.chargebacks.filing import FOUND_WHEN_FILED
from cardops.rules.chargebacks.routing import NETWORKS
from cardops.rules.intake.files import Kind, RowFlag, RowReason
from simulation.file_formats import write_input_file
from simulation.generator import (
    DEFAULT_HISTORY_END,
    DEFAULT_ROWS,
    DEFAULT_SEED,
    REQUESTS_PATH,
    TRUTH_PATH,
    Day,
    generate,
    make_day,
)
from simulation.rows import Outcome
from simulation.truth import SIMULATED_KINDS
from tests.factories.intake_environment import IntakeWorld

SMALL = 400
# Nobody recalls a file within a generated day.
NOT_GENERATED = {"recalled_before"}
NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def default_day() -> Day:
    return make_day(DEFAULT_ROWS, DEFAULT_SEED, DEFAULT_HISTORY_END)


@pytest.fixture(scope="module")
def small_day(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("day")
    return folder, generate(SMALL, 3, date(2026, 10, 15), folder)


def hashes_of(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_same_rows_seed_and_date_give_same_bytes_in_another_process(
    small_day: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder, _ = small_day
    script = (
        "from datetime import date; from pathlib import Path; "
        "from simulation.generator import generate; "
        f"generate({SMALL}, 3, date(2026, 10, 15), Path({str(tmp_path)!r}))"
    )

    subprocess.run([sys.executable, "-c", script], check=True, env={"PYTHONHASHSEED": "4711"})

    assert hashes_of(tmp_path) == hashes_of(folder)


def test_another_seed_gives_another_day_with_other_ids() -> None:
    first, other = (make_day(20, seed, DEFAULT_HISTORY_END) for seed in (1, 2))

    assert first.truth["tag"] != other.truth["tag"]
    assert {request.transaction_id for request in first.requests}.isdisjoint(
        request.transaction_id for request in other.requests
    )


def test_requested_number_of_deposits_is_to_be_credited(default_day: Day) -> None:
    assert default_day.truth["kinds"]["deposits"]["accepted"] == DEFAULT_ROWS
    assert len(default_day.requests) == DEFAULT_ROWS


@pytest.mark.parametrize("kind", list(SIMULATED_KINDS))
def test_default_day_has_every_reason_a_kind_can_have(default_day: Day, kind: Kind) -> None:
    possible = {str(reason) for reason in reasons_of(KINDS[kind], NOW)} - NOT_GENERATED

    assert set(default_day.truth["kinds"][kind]["reasons"]) == possible


@pytest.mark.parametrize("kind", list(SIMULATED_KINDS))
def test_default_day_has_every_flag_a_kind_can_have(default_day: Day, kind: Kind) -> None:
    assert set(default_day.truth["kinds"][kind]["flags"]) == set(flags_of(KINDS[kind]))


def test_kinds_together_have_every_flag() -> None:
    found = {flag for profile in KINDS.values() for flag in flags_of(profile)}

    assert found | FOUND_WHEN_FILED == set(RowFlag)
    assert not found & FOUND_WHEN_FILED


def test_kinds_together_have_every_reason() -> None:
    assert {reason for profile in KINDS.values() for reason in reasons_of(profile, NOW)} == set(
        RowReason
    )


def test_check_that_a_contract_gains_asks_the_generator_for_bad_rows() -> None:
    """The reasons of a kind come from its contract, so a day without the new one is noticed."""

    class DepositWithStatus(DepositRow):
        status: str = status_field("where it stands", ("open",), required=True)

    contract = replace(DEPOSITS.contract, model=DepositWithStatus)
    profile = replace(DEPOSITS, contract=contract)

    gained = set(reasons_of(profile, NOW)) - set(reasons_of(DEPOSITS, NOW))

    assert gained == {RowReason.INVALID_STATUS}


def test_truth_accounts_for_every_row(default_day: Day) -> None:
    truth = default_day.truth
    for counts in [*truth["files"].values(), *truth["kinds"].values()]:
        assert counts["read"] == counts["accepted"] + counts["duplicate"] + counts["quarantined"]
        # A row with two reasons counts once under each of them.
        assert sum(counts["reasons"].values()) >= counts["quarantined"]


def test_kinds_are_the_sums_of_their_files(default_day: Day) -> None:
    truth = default_day.truth
    for kind, counts in truth["kinds"].items():
        files = [file for file in truth["files"].values() if file["kind"] == kind]
        for name in ("read", "accepted", "duplicate", "quarantined"):
            assert counts[name] == sum(file[name] for file in files)
        assert counts["totals"] == dict(sum((Counter(file["totals"]) for file in files), Counter()))


def test_default_day_has_rejected_late_and_repeated_acknowledgements(default_day: Day) -> None:
    answers = default_day.truth["chargebacks"]["acknowledgements"]

    for name in ("rejected", "late", "repeated"):
        assert sum(said[name] for said in answers.values()) > 0
    for network, said in answers.items():
        assert said["accepted"] == default_day.truth["chargebacks"]["networks"][network]["rows"]
        assert said["resent"]["rows"] == said["rejected"] == sum(said["reasons"].values())


def test_balances_are_deposits_less_permitted_amounts(default_day: Day) -> None:
    truth = default_day.truth
    ledger, available = Counter[str](), Counter[str]()
    for accounts in truth["balances"].values():
        for currency, amounts in accounts.items():
            assert amounts["available"] >= 0
            assert amounts["ledger"] == amounts["available"] + amounts["held"]
            ledger[currency] += amounts["ledger"]
            available[currency] += amounts["available"]

    decided = truth["authorizations"]
    for currency, deposited in truth["kinds"]["deposits"]["totals"].items():
        assert ledger[currency] == deposited - decided["spends"][currency]
        assert available[currency] == ledger[currency] - decided["holds"][currency]


def test_responses_are_permits_and_rejects_for_every_reason(default_day: Day) -> None:
    decided = default_day.truth["authorizations"]

    assert decided["permits"] + decided["rejects"] == decided["requests"]
    assert set(decided["reason_codes"]) == {
        "sufficient_credit",
        "insufficient_credit",
        "unknown_user",
        "currency_not_supported",
    }


def test_chargebacks_go_to_at_most_four_files_and_none_is_lost(default_day: Day) -> None:
    chargebacks = default_day.truth["chargebacks"]
    late = sum(default_day.truth["late_references"]["chargebacks/chargebacks-3.csv.gz"].values())

    assert len(chargebacks["files"]) == 4
    assert (
        sum(file["versions"] for file in chargebacks["files"].values())
        == default_day.truth["kinds"]["chargebacks"]["accepted"]
    )
    assert sum(file["versions"] for file in chargebacks["released_files"].values()) == late > 0


def test_default_day_has_reopened_and_partial_disputes(default_day: Day) -> None:
    disputes = default_day.truth["disputes"]["networks"].values()
    (shop,) = [file for file in default_day.files if file.name == "chargebacks-3.csv.gz"]
    amounts = defaultdict(set)
    for row in shop.rows:
        if row.outcome is Outcome.ACCEPTED:
            amounts[row.cells["transaction_id"]].add(row.cells["chargeback_amount"])

    assert sum(network["reopened"] for network in disputes) > 0
    assert any(len(parts) > 1 for parts in amounts.values())


def test_rings_share_links_and_other_users_only_the_carriers_address(
    default_day: Day,
) -> None:
    holders: dict[tuple[str, str], set[str]] = {}
    for file in default_day.files:
        for row in file.rows:
            if file.kind == Kind("transactions") and not row.reasons and row.cells["user_id"]:
                for link in ("device_id", "card_token", "email", "ip_address"):
                    value = (link, str(row.cells[link]))
                    holders.setdefault(value, set()).add(str(row.cells["user_id"]))
    shared = {link: users for link, users in holders.items() if len(users) > 1}
    rings = [set(ring) for ring in default_day.truth["fraud_rings"]]

    carriers = [link for link, users in shared.items() if len(users) > 50]
    assert carriers == [("ip_address", "100.64.0.1")]
    tied = [users for link, users in shared.items() if link not in carriers]
    assert all(any(users <= ring for ring in rings) for users in tied)
    assert all(any(ring & users for users in tied) for ring in rings)


def test_default_day_plants_rings_with_and_without_cycles_and_one_hub(default_day: Day) -> None:
    expected = default_day.truth["fraud_ring_figures"]
    cycles = [ring["cycles"] for ring in expected["rings"].values()]

    assert min(cycles) == 0 < max(cycles)
    assert [members.split(" ") for members in expected["rings"]] == default_day.truth["fraud_rings"]
    assert set(expected["hubs"]) == {"ip_address"}
    assert expected["hubs"]["ip_address"][0] > 50


@pytest.mark.parametrize("rows", [1, 20])
def test_tiny_day_has_no_empty_file(rows: int, tmp_path: Path) -> None:
    truth = generate(rows, 5, DEFAULT_HISTORY_END, tmp_path)

    assert all((tmp_path / path).stat().st_size > 2 for path in truth["submission_order"])
    assert truth["kinds"]["deposits"]["accepted"] == rows


def test_written_files_match_the_returned_truth(small_day: tuple[Path, dict[str, Any]]) -> None:
    folder, truth = small_day

    assert json.loads((folder / TRUTH_PATH).read_text()) == truth
    lines = (folder / REQUESTS_PATH).read_text().splitlines()
    expected = [response["transaction_id"] for response in truth["authorizations"]["answers"]]
    assert [json.loads(line)["transaction_id"] for line in lines] == expected


def test_same_rows_compress_to_same_bytes(default_day: Day, tmp_path: Path) -> None:
    (zipped,) = [file for file in default_day.files if file.name == "deposits-5.csv.gz"]

    for name in ("first", "second"):
        write_input_file(zipped, tmp_path / name)

    content = (tmp_path / "first").read_bytes()
    assert content == (tmp_path / "second").read_bytes()
    assert content[4:8] == bytes(4), "a gzip header with a time in it differs every second"


def test_intake_result_of_every_file_matches_the_truth(
    small_day: tuple[Path, dict[str, Any]],
) -> None:
    folder, truth = small_day
    world = IntakeWorld()
    released = Counter[str]()

    for path in truth["submission_order"]:
        expected, kind = truth["files"][path], path.partition("/")[0]
        result = world.ingest(kind, (folder / path).read_bytes(), name=path.partition("/")[2])
        outcome = result.outcome
        assert bool(outcome.error) == (expected["status"] == "refused"), outcome.error
        found = {
            **{name: getattr(outcome, name) for name in ("read", "accepted", "duplicate")},
            "quarantined": outcome.quarantined,
            "reasons": dict(outcome.reasons),
            "flags": dict(outcome.flags),
            "totals": dict(outcome.totals_minor),
        }
        assert {path: found} == {path: {name: expected[name] for name in found}}
        released[path] += len(result.released)

    releasing = {by for late in truth["late_references"].values() for by in late}
    assert {path for path, count in released.items() if count} == releasing
    assert lines_by_network(world) == truth["chargebacks"]["files"]
    assert disputes_by_network(world) == truth["disputes"]["files"]


def disputes_by_network(world: IntakeWorld) -> dict[str, Any]:
    """Disputes by their last step, and steps that open an ended one again."""
    dispute = ["network", "case_number"]
    is_open = ~pl.col("status").is_in(["won", "lost"])
    steps = world.rows("chargebacks").sort("happened_at", "intake_id", "row_number")
    marked = steps.with_columns(is_open=is_open.fill_null(value=True)).with_columns(
        is_return=pl.col("is_open") & ~pl.col("is_open").shift(1, fill_value=True).over(dispute)
    )
    each = marked.group_by(dispute).agg(pl.col("is_open").last(), pl.col("is_return").sum())
    found = each.group_by("network").agg(
        disputes=pl.len(), open=pl.col("is_open").sum(), reopened=pl.col("is_return").sum()
    )
    return {row.pop("network"): row for row in found.to_dicts()}


def lines_by_network(world: IntakeWorld) -> dict[str, Any]:
    """What the files of one batch of all accepted rows would have."""
    rows, found = world.rows("chargebacks").lazy(), {}
    for network in NETWORKS:
        lines = rows_of_slot(rows, network, SplitMode.BY_NETWORK, LineRule.STAGES).collect()
        sums = lines.group_by("dispute_currency").agg(pl.col("dispute_amount_minor").sum())
        found[network] = {
            "rows": lines.height,
            "totals": dict(sums.iter_rows()),
            "versions": lines["versions"].sum(),
        }
    return {network: figures for network, figures in found.items() if figures["rows"]}
