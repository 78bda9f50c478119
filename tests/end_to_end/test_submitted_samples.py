"""`cardops submit` with files as shops and processors export them."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulation.acknowledgements import rejection_of
from tests.factories.console import Console, a_home_with_card_companies
from tests.factories.disputed_files import CHARGEBACKS, DISPUTED
from tests.factories.intake_environment import csv_file
from tests.factories.samples import (
    SHOP_CHARGEBACKS,
    poc_rows,
    shop_orders,
    shop_transactions,
    write,
)

pytestmark = [pytest.mark.database, pytest.mark.dagster, pytest.mark.timeout(600)]

KEYS = (
    "file", "kind", "status", "read", "accepted", "duplicate", "quarantined", "reasons", "flags",
    "quarantine", "error", "run_id", "seconds",
)  # fmt: skip
FILE_KEYS = ("network", "path", "rows", "totals", "sha256", "delivered", "remote_path")
POC_ROWS = 27
POLL = ("deliveries", "acknowledgements", "--poll")
CASES = [f"case-0a1b2c-{number:06d}" for number in range(60)]
REJECTED = next(case for case in CASES if rejection_of("visa", case))
NOT_REJECTED = next(case for case in CASES if not rejection_of("visa", case))


@pytest.fixture(scope="module")
def console() -> Iterator[Console]:
    with a_home_with_card_companies() as console:
        yield console


@pytest.fixture(scope="module")
def poc(console: Console) -> Path:
    return write(console.home.parent / "poc.json", poc_rows(POC_ROWS))


@pytest.fixture(scope="module")
def balanced(console: Console, poc: Path) -> Any:
    mode = ("--mode", "size_balanced")
    return console.response("submit", str(poc), "--kind", "chargebacks", *mode)


@pytest.fixture(scope="module")
def shop(console: Console) -> dict[str, Any]:
    """The shop's three files, each submitted as it is, in their order."""
    files: dict[str, tuple[str, Any, int]] = {
        "orders": ("orders.json", shop_orders(12), 0),
        "transactions": ("transactions.json", shop_transactions(12), 0),
        "chargebacks": ("chargebacks.csv", SHOP_CHARGEBACKS, 1),
    }
    return {
        kind: console.response(
            "submit",
            str(write(console.home.parent / name, content)),
            *("--kind", kind),
            code=code,
        )
        for kind, (name, content, code) in files.items()
    }


def rows_of(file: dict[str, Any]) -> list[dict[str, str]]:
    with Path(file["path"]).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def counts(response: dict[str, Any]) -> tuple[int, ...]:
    return tuple(response[name] for name in ("read", "accepted", "duplicate", "quarantined"))


def test_size_balanced_batch_is_delivered_in_four_balanced_files(
    console: Console, balanced: Any
) -> None:
    assert tuple(balanced) == (*KEYS, "batch", "files")
    assert counts(balanced) == (POC_ROWS, POC_ROWS, 0, 0)
    assert balanced["flags"] == {"transaction_unknown": POC_ROWS}
    assert [file["rows"] for file in balanced["files"]] == [7, 7, 7, 6]
    for number, file in enumerate(balanced["files"], start=1):
        assert tuple(file) == FILE_KEYS
        assert (file["network"], file["delivered"]) == ("mixed", True)
        name = Path(file["path"]).name
        assert name.startswith(f"CB_mixed-{number}_default_")
        assert file["remote_path"].endswith(f"/{name}")
        assert {name, f"{name}.ctl"} <= set(console.delivered()["default"])


def test_every_row_of_a_size_balanced_batch_is_in_exactly_one_file(balanced: Any) -> None:
    filed = [row for file in balanced["files"] for row in rows_of(file)]

    assert sorted(row["case_number"] for row in filed) == sorted(
        row["case_number"] for row in poc_rows(POC_ROWS)
    )
    assert {row["network"] for row in filed} == {"mixed"}
    assert {row["card_last4"] for row in filed} == {
        row["card_number"][-4:] for row in poc_rows(POC_ROWS)
    }
    total = sum(round(row["chargeback_amount"] * 100) for row in poc_rows(POC_ROWS))
    assert sum(file["totals"]["USD"] for file in balanced["files"]) == total


def test_same_file_again_is_all_duplicates_and_delivers_nothing(
    console: Console, poc: Path, balanced: Any
) -> None:
    before = console.delivered()["default"]

    again = console.response("submit", str(poc), "--kind", "chargebacks", "--mode", "size_balanced")

    assert counts(again) == (POC_ROWS, 0, POC_ROWS, 0)
    assert (again["status"], again["files"]) == ("applied", [])
    assert again["batch"] != balanced["batch"]
    assert console.delivered()["default"] == before


def test_shop_files_are_accepted_unchanged(console: Console, shop: dict[str, Any]) -> None:
    assert tuple(shop["orders"]) == KEYS
    assert counts(shop["orders"]) == (12, 12, 0, 0)
    assert counts(shop["transactions"]) == (12, 12, 0, 0)
    # A naive timestamp is flagged, not refused; all items add up and all orders are known.
    assert shop["orders"]["flags"] == {"naive_timestamp": 12}
    assert shop["transactions"]["flags"] == {"naive_timestamp": 12}

    disputed = shop["chargebacks"]
    assert counts(disputed) == (9, 6, 0, 3)
    assert disputed["reasons"] == {
        "non_positive_amount": 1,
        "orphaned_reference": 1,
        "unroutable_network": 1,
    }
    assert {file["network"]: file["rows"] for file in disputed["files"]} == {
        "visa": 1,
        "mastercard": 2,
        "amex": 2,
        "discover": 1,
    }
    assert all(file["delivered"] for file in disputed["files"])
    assert set(console.delivered()) >= {"visa", "mastercard", "amex", "discover"}


def test_rows_without_network_wait_for_transactions_that_give_it(
    console: Console, shop: dict[str, Any]
) -> None:
    rows = poc_rows(25, prefix="TXN-00")
    for number, row in enumerate(rows, start=1):
        row["transaction_id"] = f"TXN-{number:04d}"
    path = write(console.home.parent / "poc_by_network.json", rows)

    response = console.response("submit", str(path), "--kind", "chargebacks", code=1)

    # Of twelve transactions known by now two were paid with a wallet; thirteen are not known.
    assert counts(response) == (25, 10, 0, 15)
    assert response["reasons"] == {"orphaned_reference": 13, "unroutable_network": 2}
    assert {file["network"]: file["rows"] for file in response["files"]} == {
        "visa": 3,
        "mastercard": 3,
        "amex": 2,
        "discover": 2,
    }

    orders = write(console.home.parent / "later_orders.json", shop_orders(25)[12:])
    console.response("submit", str(orders), "--kind", "orders")
    later = write(console.home.parent / "later.json", shop_transactions(13, first=13))
    brought = console.response("submit", str(later), "--kind", "transactions")

    (released,) = brought["released"]
    assert counts(released) == (13, 10, 0, 3)
    assert released["reasons"] == {"unroutable_network": 3}
    assert sum(file["rows"] for file in released["files"]) == 10
    assert all(file["delivered"] for file in released["files"])


def test_submit_exits_1_with_quarantined_rows_and_2_with_refused_file(console: Console) -> None:
    header = "user_id,amount,deposit_id,timestamp\n"
    good = "u1,25.00,dep-1,2026-03-01T00:00:00Z\n"
    partly_bad = write(
        console.home.parent / "some.csv", header + good + "u1,1e3,dep-2,2026-03-01\n"
    )
    empty = write(console.home.parent / "empty.csv", "")

    partial = console.response("submit", str(partly_bad), "--kind", "deposits", code=1)
    refused = console.response("submit", str(empty), "--kind", "deposits", code=2)

    assert counts(partial) == (2, 1, 0, 1)
    assert partial["reasons"] == {"invalid_amount": 1, "invalid_timestamp": 1}
    assert (Path(partial["quarantine"]) / "rows.csv").exists()
    assert tuple(refused) == KEYS
    assert (refused["status"], counts(refused)) == ("refused", (0, 0, 0, 0))
    assert refused["error"]
    error = json.loads((Path(refused["quarantine"]) / "error.json").read_text())
    assert error["error"] == refused["error"]


def test_poll_delivers_rejected_rows_once_more_and_says_what_was_answered(
    console: Console,
) -> None:
    rows = (DISPUTED.replace("c1", case) for case in (NOT_REJECTED, REJECTED))
    path = write(console.home.parent / "disputes.csv", csv_file(CHARGEBACKS, *rows))
    submitted = console.response("submit", str(path), "--kind", "chargebacks")
    before = len(console.delivered()["visa"])
    code, reason = rejection_of("visa", REJECTED) or ("", "")

    polled = console.response(*POLL, code=1)

    (first,) = [said for said in polled["data"] if said["batch"] == submitted["batch"]]
    assert first["outcome"] == "matched"
    assert (first["accepted"], first["rejected"], first["late"]) == (1, 1, False)
    (rejection,) = first["rejections"]
    assert (rejection["case_number"], rejection["code"], rejection["reason"]) == (
        REJECTED,
        code,
        reason,
    )
    (resent,) = polled["resent"]
    assert resent["batch"] == first["reopened_to"] != submitted["batch"]
    assert (resent["rows"], resent["delivered"], polled["errors"]) == (1, True, {})
    assert len(console.delivered()["visa"]) == before + 2

    again = console.response(*POLL, code=1)

    assert again["resent"] == []
    (last,) = [said for said in again["data"] if said["batch"] == resent["batch"]]
    assert (last["accepted"], last["rejected"], last["reopened_to"]) == (1, 0, None)
    assert console.response("deliveries", "waiting") == {"data": []}
    listed = console.run("deliveries", "list").stdout.splitlines()
    assert [line.rpartition("  ")[2] for line in listed[:2]] == [
        "acknowledged: 1 accepted, 0 rejected",
        "acknowledged: 1 accepted, 1 rejected",
    ]
