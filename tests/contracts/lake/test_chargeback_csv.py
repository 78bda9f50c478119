"""Chargeback files made of whole columns have the bytes that the row-by-row rule gives them."""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardops.contracts.lake import chargeback_slots
from cardops.contracts.lake.chargeback_csv import rows_of_slot, write_body
from cardops.contracts.lake.chargeback_slots import SlotLook, write_slots
from cardops.contracts.lake.supplements import with_supplements
from cardops.rules.chargebacks.control_totals import read_control_totals
from cardops.rules.chargebacks.files import (
    FORMULA_STARTS,
    MAX_CHARGEBACK_FILES,
    LineRule,
    SplitMode,
    columns_of,
)
from cardops.rules.chargebacks.filing import CHECKED_FLAGS
from cardops.rules.chargebacks.layouts import DELIMITERS, standard_layout
from cardops.rules.chargebacks.routing import NETWORKS
from cardops.rules.money import format_amount
from tests.factories.chargebacks import (
    a_chargeback,
    chargebacks,
    currencies,
    dates,
    ids,
    lake_frame,
)
from tests.oracles.chargeback_files import (
    Chargeback,
    neutralised,
    plain_cells,
    render,
    split_into_files,
)


@pytest.mark.parametrize("examples", [20, pytest.param(600, marks=pytest.mark.soak)])
def test_vectorised_csv_has_the_bytes_of_the_scalar_rule(examples: int) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(
        rows=st.lists(chargebacks, max_size=12),
        mode=st.sampled_from(SplitMode),
        neutralise=st.booleans(),
    )
    def check(*, rows: list[Chargeback], mode: SplitMode, neutralise: bool) -> None:
        by_rule = split_into_files(rows, mode)
        batch = lake_frame(rows).lazy()
        with TemporaryDirectory() as folder:
            for slot in NETWORKS:
                path = Path(folder) / slot
                written = write_body(rows_of_slot(batch, slot, mode), path, neutralise=neutralise)
                expected = render(by_rule.get(slot, []), neutralise=neutralise)

                assert path.read_bytes() == expected.content
                assert written.sha256 == expected.sha256
                assert written.row_count == expected.row_count
                assert written.totals_minor == expected.totals_minor
                assert written.neutralised_count == expected.neutralised_count

    check()


# Few, so that steps of a dispute happen at one moment.
moments = st.integers(1, 3).map(lambda day: datetime(2026, 1, day, tzinfo=UTC))


@st.composite
def full_rows(draw: st.DrawFn) -> pl.DataFrame:
    """Steps of few disputes: credits, settlements, filled columns, flags, odd texts."""
    rows = draw(st.lists(chargebacks, max_size=12))
    cases = draw(st.lists(st.sampled_from(["c-1", "c-2", "c.3"]) | ids, min_size=len(rows)))
    rows = [replace(row, case_number=case) for row, case in zip(rows, cases, strict=False)]
    frame = with_supplements(lake_frame(rows).lazy(), None).collect()
    signs = st.sampled_from([1, -1])

    def column(name: str, values: st.SearchStrategy[Any]) -> pl.Series:
        found = draw(st.lists(values, min_size=len(rows), max_size=len(rows)))
        return pl.Series(name, found, dtype=frame.schema[name])

    return frame.with_columns(
        pl.col("dispute_amount_minor") * column("row_number", signs),
        column("settlement_amount_minor", st.none() | st.integers(-(10**12), 10**12)),
        column("settlement_currency", st.none() | currencies),
        column("transaction_auth_code", st.none() | ids),
        column("reply_by_on", st.none() | dates),
        column("clock", st.sampled_from([None, "feed", "processor", "published"])),
        column("filled_columns", st.sampled_from(["", "arn", "arn;card_bin"])),
        column("flags", st.lists(st.sampled_from(CHECKED_FLAGS), max_size=2, unique=True)),
        column("happened_at", moments),
        column("intake_id", st.integers(1, 3)),
    )


@pytest.mark.parametrize("examples", [12, pytest.param(1000, marks=pytest.mark.soak)])
def test_slot_written_in_parts_has_the_bytes_and_counts_of_the_whole(examples: int) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(
        rows=full_rows(),
        mode=st.sampled_from(SplitMode),
        rule=st.sampled_from(LineRule),
        version=st.sampled_from([1, 2]),
        neutralise=st.booleans(),
        delimiter=st.sampled_from(DELIMITERS),
    )
    def check(
        *,
        rows: pl.DataFrame,
        mode: SplitMode,
        rule: LineRule,
        version: int,
        neutralise: bool,
        delimiter: str,
    ) -> None:
        layout = replace(standard_layout(version), delimiter=delimiter)
        # One slot's file is for a partner of its own, which other slots must not notice.
        looks = {slot: SlotLook(neutralise, layout) for slot in NETWORKS}
        looks[NETWORKS[0]] = SlotLook(not neutralise)
        with TemporaryDirectory() as folder, patched_sizes(window=5, chunk=2):
            one = Path(folder) / "whole"
            parts = write_slots(rows.lazy(), looks, mode, rule, Path(folder), version=version)
            for slot, part in parts:
                lines = rows_of_slot(rows.lazy(), slot, mode, rule, version=version)
                look = looks[slot]
                whole = write_body(
                    lines, one, neutralise=look.neutralise, version=version, layout=look.layout
                )

                assert part.path.read_bytes() == one.read_bytes()
                assert replace(part, path=one) == whole
            assert [path.name for path in Path(folder).iterdir()] == ["whole"]

    check()


def test_latest_step_of_a_stage_is_its_line_in_a_slot_written_in_parts() -> None:
    steps = [a_chargeback(status="open"), a_chargeback(status="under review")]
    rows = with_supplements(lake_frame(steps).lazy(), None).with_columns(
        row_number=pl.Series([2, 1], dtype=pl.Int64)
    )
    with TemporaryDirectory() as folder:
        looks = {"visa": SlotLook()}
        bodies = write_slots(rows, looks, SplitMode.BY_NETWORK, LineRule.STAGES, Path(folder))
        ((_, body),) = bodies

    assert (body.row_count, body.stages.disputes, body.stages.versions) == (1, 1, 2)


def money(amount_minor: int | None, currency: str | None) -> str:
    return "" if amount_minor is None or currency is None else format_amount(amount_minor, currency)


def told(row: Mapping[str, Any]) -> tuple[str, ...]:
    """What a line says of a row that is not changed by how its dispute ended, one row at a time."""
    texts = [row["merchant_name"] or "", row["reason_text"] or ""]
    return (
        *(str(row[name]) for name in ("network", "case_number", "stage", "action_sequence")),
        money(row["dispute_amount_minor"], row["dispute_currency"]),
        money(row["transaction_amount_minor"], row["transaction_currency"]),
        money(row["settlement_amount_minor"], row["settlement_currency"]),
        *(f"'{text}" if text.startswith(FORMULA_STARTS) else text for text in texts),
        row["filled_columns"],
    )


TOLD = (
    *("network", "case_number", "stage", "action_sequence", "dispute_amount"),
    *("transaction_amount", "settlement_amount", "merchant_name", "reason_text", "filled_columns"),
)


@settings(max_examples=20, deadline=None)
@given(rows=full_rows(), mode=st.sampled_from(SplitMode), seed=st.integers(0, 9))
def test_rows_in_any_order_make_the_same_files_that_read_back_as_the_rows(
    *, rows: pl.DataFrame, mode: SplitMode, seed: int
) -> None:
    orders = (rows, rows.sample(fraction=1, shuffle=True, seed=seed))
    lines, totals, disputes, made = [], Counter[str](), 0, 0
    with TemporaryDirectory() as folder, patched_sizes(window=5, chunk=2):
        looks = dict.fromkeys(NETWORKS, SlotLook())
        folders = [Path(folder) / str(number) for number in (0, 1)]
        made_of = []
        for order, own in zip(orders, folders, strict=True):
            own.mkdir()
            made_of.append(write_slots(order.lazy(), looks, mode, LineRule.STEPS, own))
        for (_, first), (_, second) in zip(*made_of, strict=True):
            paths = (first.path, second.path)
            assert first.sha256 == second.sha256 == sha256(paths[1].read_bytes()).hexdigest()
            with paths[0].open("rb") as content:
                read = read_control_totals(content)
            assert (read.row_count, read.totals_minor) == (first.row_count, first.totals_minor)
            assert read.dispute_count == first.stages.disputes
            with paths[0].open(newline="", encoding="utf-8") as text:
                parsed = list(csv.DictReader(text))
            lines += [tuple(line[name] for name in TOLD) for line in parsed]
            totals.update(read.totals_minor)
            disputes += read.dispute_count
            made += bool(parsed)

    assert made <= MAX_CHARGEBACK_FILES
    assert sorted(lines) == sorted(told(row) for row in rows.iter_rows(named=True))
    expected = Counter[str]()
    for currency, amount_minor in rows.select("dispute_currency", "dispute_amount_minor").rows():
        expected[currency] += amount_minor
    assert dict(totals) == dict(expected)
    known = len(set(rows.select("network", "case_number").rows()))
    # A quarter of a size-balanced batch may begin within a dispute.
    assert (
        known <= disputes <= known + (MAX_CHARGEBACK_FILES - 1) * (mode is SplitMode.SIZE_BALANCED)
    )


@contextmanager
def patched_sizes(*, window: int, chunk: int) -> Iterator[None]:
    """Parts so small that a few rows have several."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chargeback_slots, "WINDOW_ROWS", window)
        patch.setattr(chargeback_slots, "CHUNK_LINES", chunk)
        patch.setattr(chargeback_slots, "RANGE_LINES", 1)
        patch.setattr(chargeback_slots, "SAMPLED", 2)
        yield


ENDED = {"won", "lost", "accepted", "expired", "prevented", "resolved"}
OPEN_ACTIONS = {
    "inquiry": "notify",
    "chargeback": "notify",
    "representment": "represent",
    "pre_arbitration": "pre_arbitration",
    "arbitration": "arbitration",
    # The line of an end that was not the last step: the dispute is open again.
    "accepted": "accept",
    "won": "close",
    "lost": "close",
    "expired": "close",
}


def outcomes(rows: Sequence[Chargeback]) -> dict[tuple[str, str], str | None]:
    """What ended each dispute by its last row, one row at a time."""
    found: dict[tuple[str, str], str | None] = {}
    for row in rows:
        found[row.network, row.case_number] = ended_by(row)
    return found


def ended_by(row: Chargeback) -> str | None:
    """What ends the row's dispute, or the stage alone where the dispute came to another one since."""
    return row.status if row.status in ENDED else row.stage if row.stage in ENDED else None


def cells_of_layout_2(row: Chargeback, outcome: str | None) -> tuple[str, ...]:
    """The line of a row that nothing fills, without a settlement or a clock."""
    outcome = outcome or ended_by(row)
    shown = replace(row, reply_by_date=None) if outcome else row
    shown = replace(shown, status=row.status if row.status is not None else outcome)
    if outcome is None:
        action = OPEN_ACTIONS[row.stage]
    else:
        action = "accept" if outcome == "accepted" else "close"
    plain, _ = neutralised(plain_cells(shown))
    return (*plain, action, "", "", "", "", "")


@pytest.mark.parametrize("examples", [12, pytest.param(400, marks=pytest.mark.soak)])
def test_file_of_layout_2_parses_to_its_rows_whatever_their_order(examples: int) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(
        rows=st.lists(chargebacks, max_size=12),
        mode=st.sampled_from(SplitMode),
        seed=st.integers(0, 9),
    )
    def check(*, rows: list[Chargeback], mode: SplitMode, seed: int) -> None:
        frame = lake_frame(rows)
        shuffled = frame.sample(fraction=1, shuffle=True, seed=seed)
        by_dispute = outcomes(rows)
        found, made = [], 0
        with TemporaryDirectory() as folder:
            for slot in NETWORKS:
                contents = []
                for number, batch in enumerate((frame, shuffled)):
                    path = Path(folder) / f"{slot}{number}"
                    lines = rows_of_slot(
                        with_supplements(batch.lazy(), None), slot, mode, version=2
                    )
                    written = write_body(lines, path, version=2)
                    contents.append(path.read_bytes())
                with path.open("rb") as content:
                    totals = read_control_totals(content)
                with path.open(newline="", encoding="utf-8") as text:
                    parsed = list(csv.reader(text))
                assert contents[0] == contents[1]
                assert (totals.row_count, totals.totals_minor) == (
                    written.row_count,
                    written.totals_minor,
                )
                assert totals.dispute_count == written.stages.disputes
                assert tuple(parsed[0]) == columns_of(2)
                found += [tuple(line) for line in parsed[1:]]
                made += bool(written.row_count)

        assert made <= MAX_CHARGEBACK_FILES
        expected = [
            cells_of_layout_2(row, by_dispute[row.network, row.case_number]) for row in rows
        ]
        assert sorted(found) == sorted(expected)

    check()


def written(rows: pl.DataFrame, version: int = 2) -> Sequence[Mapping[str, str]]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "visa"
        lines = rows_of_slot(
            with_supplements(rows.lazy(), None), "visa", SplitMode.BY_NETWORK, version=version
        )
        write_body(lines, path, version=version)
        with path.open(newline="") as text:
            return list(csv.DictReader(text))


def test_dispute_that_ended_is_not_sent_as_an_open_one() -> None:
    rows = [
        a_chargeback(stage="chargeback", status="open"),
        a_chargeback(stage="won", status=None),
        a_chargeback("CB-2", status="accepted"),
        a_chargeback("CB-3", stage="representment"),
    ]
    frame = lake_frame(rows).with_columns(
        clock=pl.lit("feed"), reply_by_on=pl.lit(date(2026, 12, 20))
    )

    lines = written(frame)

    shown = ("case_number", "action", "status", "reply_by_date", "clock")
    assert [tuple(line[name] for name in shown) for line in lines] == [
        ("CB-1", "close", "open", "", ""),
        ("CB-1", "close", "won", "", ""),
        ("CB-2", "accept", "accepted", "", ""),
        ("CB-3", "represent", "open", "2026-12-20", "feed"),
    ]


def test_settlement_and_authorization_code_are_in_layout_2_alone() -> None:
    frame = lake_frame([a_chargeback()]).with_columns(
        settlement_amount_minor=pl.lit(-150_000, pl.Int64),
        settlement_currency=pl.lit("JPY"),
        transaction_auth_code=pl.lit("A1B2C3"),
    )

    (line,) = written(frame)
    (older,) = written(frame, version=1)

    assert (line["settlement_amount"], line["settlement_currency"]) == ("-150000", "JPY")
    assert line["transaction_auth_code"] == "A1B2C3"
    assert tuple(older) == columns_of(1)
