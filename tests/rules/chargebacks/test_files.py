"""The CSV files of a batch: at most four, complete, exact and reproducible."""

import csv
import io
import json
from datetime import date
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardops.rules.chargebacks.control_totals import (
    UnreadableChargebackFileError,
    read_control_totals,
)
from cardops.rules.chargebacks.files import (
    COLUMNS,
    MAX_CHARGEBACK_FILES,
    FileIdentity,
    SplitMode,
    control_json,
    slot_destination,
    slot_label,
)
from cardops.rules.chargebacks.routing import NETWORKS
from tests.factories.chargebacks import a_chargeback, chargebacks
from tests.oracles.chargeback_files import Chargeback, plain_cells, render, split_into_files

batches = st.lists(chargebacks, max_size=25)
modes = st.sampled_from(SplitMode)


def totals(rows: list[Chargeback]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for row in rows:
        sums[row.dispute_currency] = sums.get(row.dispute_currency, 0) + row.dispute_amount_minor
    return sums


@given(batches, modes)
def test_batch_has_at_most_four_files(rows: list[Chargeback], mode: SplitMode) -> None:
    files = split_into_files(rows, mode)

    assert len(files) <= MAX_CHARGEBACK_FILES == len(NETWORKS)
    assert all(files.values()), "a file without rows"


@given(batches, modes)
def test_every_row_is_in_exactly_one_file(rows: list[Chargeback], mode: SplitMode) -> None:
    files = split_into_files(rows, mode)
    filed = [row for members in files.values() for row in members]

    assert sorted(map(plain_cells, filed)) == sorted(map(plain_cells, rows))


@given(batches, modes)
def test_money_in_files_equals_money_in_rows(rows: list[Chargeback], mode: SplitMode) -> None:
    read_back: dict[str, int] = {}
    for members in split_into_files(rows, mode).values():
        body = render(members)
        found = read_control_totals(io.BytesIO(body.content))
        assert (found.row_count, found.totals_minor) == (body.row_count, body.totals_minor)
        for currency, total in found.totals_minor.items():
            read_back[currency] = read_back.get(currency, 0) + total

    assert read_back == totals(rows)


@given(batches, modes, st.randoms())
def test_bytes_do_not_depend_on_row_order(
    rows: list[Chargeback], mode: SplitMode, order: Random
) -> None:
    shuffled = order.sample(rows, len(rows))

    def bytes_of(members: list[Chargeback]) -> dict[str, bytes]:
        files = split_into_files(members, mode)
        return {slot: render(part).content for slot, part in files.items()}

    assert bytes_of(rows) == bytes_of(shuffled)


@given(batches)
def test_size_balanced_files_differ_by_one_row_at_most(rows: list[Chargeback]) -> None:
    sizes = [len(part) for part in split_into_files(rows, SplitMode.SIZE_BALANCED).values()]

    assert not sizes or max(sizes) - min(sizes) <= 1
    assert len(sizes) == min(len(rows), MAX_CHARGEBACK_FILES)


@given(chargebacks)
@settings(max_examples=50)
def test_no_field_begins_with_a_formula_unless_it_is_an_id(row: Chargeback) -> None:
    body = render([row])
    read = next(csv.DictReader(io.StringIO(body.content.decode(), newline="")))
    untouched = dict(zip(COLUMNS, plain_cells(row), strict=True))

    changed = [name for name in COLUMNS if read[name] != untouched[name]]
    assert len(changed) == body.neutralised_count
    assert all(read[name] == f"'{untouched[name]}" for name in changed)
    for name in ("merchant_name", "reason_code", "reason_text", "status"):
        assert not read[name].startswith(("=", "+", "-", "@", "\t", "\r"))


def test_file_is_utf8_crlf_and_fully_quoted_in_column_order() -> None:
    body = render([a_chargeback(merchant_name='Café "Zoë"', dispute_amount_minor=5)])
    header, row, end = body.content.split(b"\r\n")

    assert header.decode() == ",".join(f'"{name}"' for name in COLUMNS)
    assert row.decode().startswith('"CB-1","chargeback","1","visa","txn_1","","m_1",')
    assert '"Café ""Zoë"""' in row.decode()
    assert '"25.00","USD","0.05","USD","2026-11-20"' in row.decode()
    assert end == b""


def test_rows_are_sorted_by_case_stage_and_action_sequence() -> None:
    rows = [
        a_chargeback("CB-2"),
        a_chargeback("CB-1", action_sequence=10),
        a_chargeback("CB-1", action_sequence=9),
        a_chargeback("CB-1", stage="arbitration", action_sequence=11),
    ]
    read = csv.DictReader(io.StringIO(render(rows).content.decode(), newline=""))

    assert [(row["case_number"], row["stage"], row["action_sequence"]) for row in read] == [
        ("CB-1", "arbitration", "11"),
        ("CB-1", "chargeback", "9"),
        ("CB-1", "chargeback", "10"),
        ("CB-2", "chargeback", "1"),
    ]


def test_destination_may_accept_formulas_unchanged() -> None:
    rows = [a_chargeback(reason_text="=1+1")]

    assert b'"\'=1+1"' in render(rows).content
    assert b'"=1+1"' in render(rows, neutralise=False).content
    assert render(rows, neutralise=False).neutralised_count == 0


def test_unroutable_row_raises_instead_of_being_dropped() -> None:
    with pytest.raises(ValueError, match="jcb"):
        split_into_files([a_chargeback(network="jcb")], SplitMode.BY_NETWORK)


def test_file_names_identify_the_file() -> None:
    identity = FileIdentity("b-1", "acme", date(2026, 11, 20), "visa", 42, 41)

    assert identity.name == "CB_visa_acme_2026-11-20_000042_v2.csv"
    assert identity.control_name == "CB_visa_acme_2026-11-20_000042_v2.csv.ctl"
    assert [slot_label(slot, SplitMode.SIZE_BALANCED) for slot in NETWORKS] == [
        "mixed-1",
        "mixed-2",
        "mixed-3",
        "mixed-4",
    ]
    assert slot_label("visa", SplitMode.BY_NETWORK) == "visa"
    assert slot_destination("visa", SplitMode.BY_NETWORK) == "visa"
    assert slot_destination("visa", SplitMode.SIZE_BALANCED) == "default"


def test_control_file_describes_its_csv() -> None:
    identity = FileIdentity("b-1", "acme", date(2026, 11, 20), "mixed-3", 42, 41)
    control = control_json(
        identity,
        row_count=2,
        totals_minor={"USD": 5, "EUR": 7},
        sha256="ab",
        neutralised_count=1,
    )

    assert json.loads(control) == {
        "version": 2,
        "batch": "b-1",
        "program": "acme",
        "network": "mixed",
        "sequence": 42,
        "previous_sequence": 41,
        "rows": 2,
        "totals": {"EUR": 7, "USD": 5},
        "sha256": "ab",
        "neutralised": 1,
    }


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'"case_number"\r\n',
        render([a_chargeback()]).content[:-30],
        render([a_chargeback()]).content.replace(b'"25.00","USD","25.00"', b'"25.00","USD","2x"'),
        b"\xff" + render([a_chargeback()]).content,
    ],
)
def test_damaged_file_is_unreadable(content: bytes) -> None:
    with pytest.raises(UnreadableChargebackFileError):
        read_control_totals(io.BytesIO(content))
