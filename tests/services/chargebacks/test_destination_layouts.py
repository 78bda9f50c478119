"""A partner's own columns: the same rows and totals, in bytes that never change once made."""

import csv
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardops.contracts.lake.chargeback_csv import rows_of_slot, write_body
from cardops.contracts.lake.supplements import with_supplements
from cardops.rules.chargebacks.batch_totals import batch_breaks
from cardops.rules.chargebacks.control_totals import read_control_totals
from cardops.rules.chargebacks.files import SplitMode, columns_of
from cardops.rules.chargebacks.layouts import (
    AMOUNTS,
    DATE_FORMATS,
    DELIMITERS,
    REQUIRED,
    DestinationLayout,
    OutputColumn,
)
from cardops.rules.chargebacks.routing import NETWORKS
from tests.factories.chargeback_files import FileDesk
from tests.factories.chargebacks import chargebacks, lake_frame
from tests.factories.disputed_files import CHARGEBACKS, DISPUTED
from tests.factories.intake_environment import IntakeWorld, csv_file
from tests.oracles.chargeback_files import Chargeback

PARTNER = {
    "columns": [
        {"header": "CaseRef", "column": "case_number"},
        {"header": "Amount", "column": "dispute_amount"},
        {"header": "Ccy", "column": "dispute_currency"},
        {"header": "Opened", "column": "dispute_date"},
        {"header": "Issuer", "constant": "ACME; Inc"},
        {"header": "Answer by", "column": "reply_by_date"},
    ],
    "delimiter": ";",
    "date_format": "DD/MM/YYYY",
    "amounts": "minor",
    "quote_all": False,
}


@pytest.fixture
def desk(world: IntakeWorld, tmp_path: Path) -> FileDesk:
    return FileDesk(world, tmp_path)


def content(desk: FileDesk, number: int) -> str:
    records = list(desk.ledger.records.values())
    record = records[number]
    return desk.store.contents[f"chargebacks/{record.batch_id}/{record.file_name}"].decode()


def test_file_of_a_destination_has_the_columns_of_its_layout(desk: FileDesk) -> None:
    ledger = desk.world.intake_ledger
    ledger.add_layout("default", "visa", PARTNER, set_by="ops", why="their specification")
    amex = DISPUTED.replace("visa", "amex").replace("c1", "x1")

    desk.submit(csv_file(CHARGEBACKS, DISPUTED, amex))

    assert content(desk, 0) == (
        "CaseRef;Amount;Ccy;Opened;Issuer;Answer by\r\n"
        'c1;2500;USD;10/11/2026;"ACME; Inc";10/12/2026\r\n'
    )
    assert content(desk, 1).startswith('"case_number","stage",')
    assert [control.get("layout") for control in desk.controls()] == [1, None]
    assert batch_breaks(desk.builder.add_up("default-2026-11-20-001", NETWORKS)) == []


def test_batch_keeps_the_layout_with_which_it_was_filed(desk: FileDesk) -> None:
    desk.submit(csv_file(CHARGEBACKS, DISPUTED))
    made = dict(desk.store.contents)
    ledger = desk.world.intake_ledger
    ledger.add_layout("default", "visa", PARTNER, set_by="ops", why="their specification")

    desk.deliver("default-2026-11-20-001")
    assert desk.store.contents == made
    desk.submit(csv_file(CHARGEBACKS, DISPUTED.replace("c1", "c2")))
    ledger.add_layout("default", "visa", None, set_by="ops", why="the standard one again")
    desk.deliver("default-2026-11-20-002")

    assert content(desk, 1).startswith("CaseRef;Amount")


def test_preview_shows_the_first_lines_and_stores_nothing(desk: FileDesk) -> None:
    desk.submit(csv_file(CHARGEBACKS, *(DISPUTED.replace("c1", f"c{n}") for n in range(5))))
    made = dict(desk.store.contents)
    layout = DestinationLayout(tuple(OutputColumn(name.upper(), name) for name in REQUIRED))

    text = desk.builder.preview("default-2026-11-20-001", "visa", layout, 2)

    assert text.splitlines() == [
        '"CASE_NUMBER","DISPUTE_AMOUNT","DISPUTE_CURRENCY"',
        '"c0","25.00","USD"',
        '"c1","25.00","USD"',
    ]
    assert desk.store.contents == made


layouts = st.builds(
    DestinationLayout,
    st.permutations(columns_of(2)).flatmap(
        lambda names: st.integers(0, 27).map(
            lambda count: tuple(
                OutputColumn(f"our {name}", name)
                for name in dict.fromkeys([*names[:count], *REQUIRED])
            )
        )
    ),
    delimiter=st.sampled_from(DELIMITERS),
    date_format=st.sampled_from(list(DATE_FORMATS)),
    amounts=st.sampled_from(AMOUNTS),
    has_header=st.booleans(),
    quotes_all=st.booleans(),
)


@pytest.mark.parametrize("examples", [15, pytest.param(400, marks=pytest.mark.soak)])
def test_any_layout_keeps_the_rows_their_order_and_the_totals(examples: int) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(rows=st.lists(chargebacks, max_size=8), layout=layouts)
    def check(rows: list[Chargeback], layout: DestinationLayout) -> None:
        frame = with_supplements(lake_frame(rows).lazy(), None)
        with TemporaryDirectory() as folder:
            for slot in NETWORKS:
                lines = rows_of_slot(frame, slot, SplitMode.BY_NETWORK, version=2)
                plain = write_body(lines, Path(folder) / "plain", version=2)
                own = write_body(lines, Path(folder) / "own", version=2, layout=layout)
                with own.path.open("rb") as content:
                    totals = read_control_totals(content, layout)
                with plain.path.open(newline="", encoding="utf-8") as text:
                    cases = [row["case_number"] for row in csv.DictReader(text)]
                with own.path.open(newline="", encoding="utf-8") as text:
                    found = list(csv.reader(text, delimiter=layout.delimiter))

                assert (own.row_count, own.totals_minor) == (plain.row_count, plain.totals_minor)
                assert (totals.row_count, totals.totals_minor) == (own.row_count, own.totals_minor)
                at_case = layout.place_of("case_number")
                assert at_case is not None
                assert [row[at_case] for row in found[layout.has_header :]] == cases

    check()
