"""The bytes of a chargeback file, written from whole columns.

Belongs here: which rows are in a file, their order and their text. Slots, columns and names are in
cardops.rules.chargebacks.files.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl
from polars import selectors

from cardops.contracts.kinds.dispute_clocks import ENDED_STATUSES
from cardops.rules.chargebacks.disputes import Stage
from cardops.rules.chargebacks.files import (
    ACTIONS,
    COLUMNS,
    FORMAT_VERSION,
    FORMULA_STARTS,
    TEXT_COLUMNS,
    Action,
    LineRule,
    SplitMode,
    StageCounts,
    columns_of,
    slot_ranges,
)
from cardops.rules.chargebacks.filing import CHECKED_FLAGS
from cardops.rules.chargebacks.layouts import (
    AMOUNT_COLUMNS,
    DATE_COLUMNS,
    DATE_FORMATS,
    DestinationLayout,
    standard_layout,
)
from cardops.rules.currencies import EXPONENTS

_AMOUNTS: Final = {
    "transaction_amount": ("transaction_amount_minor", "transaction_currency"),
    "dispute_amount": ("dispute_amount_minor", "dispute_currency"),
    "settlement_amount": ("settlement_amount_minor", "settlement_currency"),
}
_DEADLINE: Final = "reply_by_date"
# Lake columns behind the columns of layout 2, and what orders and counts its lines.
_SHOWN: Final = (
    *(name for name in columns_of(FORMAT_VERSION) if name not in {"action", *_AMOUNTS}),
    *(minor for minor, _ in _AMOUNTS.values()),
    *("reply_by_on", "happened_at", "intake_id", "row_number", "flags"),
)
_FORMULA: Final = f"^[{''.join(FORMULA_STARTS).replace('-', '')}-]"


@dataclass(frozen=True, slots=True)
class WrittenBody:
    """A chargeback file on this machine's disk, and what was counted beside it."""

    path: Path
    row_count: int
    totals_minor: dict[str, int]
    neutralised_count: int
    sha256: str
    stages: StageCounts
    filled_count: int = 0
    flags: Mapping[str, int] = field(default_factory=dict)


def lines_of(batch: pl.LazyFrame, rule: LineRule) -> pl.LazyFrame:
    """The rows of the lake that are lines of the batch's files, with the `versions` of each.

    Of stages the step that happened last is the line: the others' money is in it already.
    """
    if rule is LineRule.STEPS:
        return batch.with_columns(versions=pl.lit(1, pl.Int64))
    stage = ["network", "case_number", "stage"]
    several = batch.select(pl.struct(stage).is_duplicated())
    if not several.select(pl.all().any()).collect().item():
        return batch.with_columns(versions=pl.lit(1, pl.Int64))
    order = ["happened_at", "intake_id", "row_number"]
    place = pl.struct(order).rank("ordinal").over(stage).cast(pl.Int64)
    # guard-begin: money-of-the-latest
    return batch.with_columns(versions=pl.len().over(stage).cast(pl.Int64)).filter(
        place == pl.col("versions")
    )
    # guard-end: money-of-the-latest


def rows_of_slot(
    batch: pl.LazyFrame,
    slot: str,
    mode: SplitMode,
    rule: LineRule = LineRule.STEPS,
    *,
    version: int = 1,
) -> pl.LazyFrame:
    """The batch's rows that are lines of this slot's file, sorted as they are in it.

    `batch` has the columns of the lake's chargebacks; for layout 2 also what they were filled from.
    """
    wanted = batch.filter(pl.col("network") == slot) if mode is SplitMode.BY_NETWORK else batch
    lines = lines_of(wanted, rule) if version == 1 else _lines_with_outcome(wanted, rule)
    if mode is SplitMode.BY_NETWORK:
        return _sorted(lines, version)
    row_count = lines.select(pl.len()).collect().item()
    offset, length = slot_ranges(row_count)[slot]
    return _sorted(lines, version).slice(offset, length)


def with_outcome(batch: pl.LazyFrame) -> pl.LazyFrame:
    """`outcome`: the stage that ends the row's dispute by the last of its steps; null while it is open.

    A dispute that ended in this batch is not sent as an open one, whichever of its steps is the line.
    """
    case = ["network", "case_number"]
    last = _ended().sort_by("happened_at", "intake_id", "row_number").last()
    return batch.with_columns(outcome=last.over(case))


def superseded_by_lines(batch: pl.LazyFrame, rule: LineRule) -> tuple[int, dict[str, int]]:
    """How many rows are no lines, because a later step of their stage is, and their money."""
    if rule is LineRule.STEPS:
        return 0, {}
    lines = lines_of(batch, rule).select("intake_id", "row_number")
    others = batch.join(lines, on=["intake_id", "row_number"], how="anti")
    sums = others.group_by("dispute_currency").agg(
        pl.len().alias("rows"), pl.col("dispute_amount_minor").cast(pl.Int128).sum().alias("minor")
    )
    found = sums.collect()
    return int(found["rows"].sum()), dict(found.select("dispute_currency", "minor").iter_rows())


def _ended() -> pl.Expr:
    """What ends the dispute by this row alone."""
    return (
        pl.when(pl.col("status").is_in(ENDED_STATUSES))
        .then("status")
        .when(pl.col("stage").is_in(ENDED_STATUSES))
        .then("stage")
    )


def _lines_with_outcome(batch: pl.LazyFrame, rule: LineRule) -> pl.LazyFrame:
    """The lines with `outcome`, and no other columns than a file shows or is ordered by."""
    shown = batch.select(selectors.by_name(*_SHOWN, require_all=False))
    cases = batch.select(pl.struct("network", "case_number").is_duplicated().any())
    if cases.collect().item():
        return lines_of(with_outcome(shown), rule)
    # Each dispute has one row, which most have: nothing to compare.
    return shown.with_columns(outcome=_ended(), versions=pl.lit(1, pl.Int64))


def write_body(
    rows: pl.LazyFrame,
    target: Path,
    *,
    neutralise: bool = True,
    version: int = 1,
    layout: DestinationLayout | None = None,
) -> WrittenBody:
    """Write one slot's CSV; the same rows give the same bytes. `layout`: the destination's own."""
    members = rows.collect()
    shown = layout or standard_layout(version)
    texts = members.lazy().select(_cells_of(shown, version, neutralise=neutralise))
    texts.sink_csv(
        target,
        quote_style="always" if shown.quotes_all else "necessary",
        line_terminator="\r\n",
        separator=shown.delimiter,
        include_header=shown.has_header,
    )
    totals = members.group_by("dispute_currency").agg(pl.col("dispute_amount_minor").sum())
    runs = pl.sum_horizontal(_is_formula(name).sum() for name in TEXT_COLUMNS)
    return WrittenBody(
        path=target,
        row_count=members.height,
        totals_minor=dict(totals.iter_rows()),
        neutralised_count=int(members.select(runs).item()) if neutralise else 0,
        sha256=_sha256(target),
        stages=_stage_counts(members),
        filled_count=int((members["filled_columns"] != "").sum()) if version > 1 else 0,
        flags=_checked_flags(members) if version > 1 else {},
    )


def _checked_flags(members: pl.DataFrame) -> dict[str, int]:
    """Lines with a flag that is looked at before sending, by flag."""
    if not members["flags"].list.len().sum():
        return {}
    has = {
        str(flag): int(members["flags"].list.contains(str(flag)).sum()) for flag in CHECKED_FLAGS
    }
    return {flag: lines for flag, lines in has.items() if lines}


def _stage_counts(members: pl.DataFrame) -> StageCounts:
    versions = int(members["versions"].sum()) if "versions" in members.columns else members.height
    disputes = members.select(pl.struct("network", "case_number").n_unique()).item()
    return StageCounts(disputes, versions)


def _sorted(batch: pl.LazyFrame, version: int) -> pl.LazyFrame:
    first = ("case_number", "stage", "action_sequence")
    if version > 1:
        # A dispute has one line a stage; the rest orders steps, and disputes of another network.
        return batch.sort([*first, "network", "intake_id", "row_number"])
    plain = {cell.meta.output_name(): cell for cell in _cells(version, neutralise=False)}
    rest = [plain[name] for name in COLUMNS if name not in first]
    return batch.sort([*map(pl.col, first), *rest])


def _cells(version: int, *, neutralise: bool) -> list[pl.Expr]:
    return [_cell(name, version, neutralise=neutralise).alias(name) for name in columns_of(version)]


def _cells_of(layout: DestinationLayout, version: int, *, neutralise: bool) -> list[pl.Expr]:
    return [
        (
            pl.lit(column.constant)
            if column.column is None
            else _shown(column.column, layout, version, neutralise=neutralise)
        ).alias(column.header)
        for column in layout.columns
    ]


def _shown(name: str, layout: DestinationLayout, version: int, *, neutralise: bool) -> pl.Expr:
    """Our column as the layout writes dates and amounts."""
    cell = _cell(name, version, neutralise=neutralise)
    if name in AMOUNT_COLUMNS and layout.amounts == "minor":
        return pl.col(_AMOUNTS[name][0]).cast(pl.String).fill_null("")
    pattern = DATE_FORMATS[layout.date_format]
    if name in DATE_COLUMNS and pattern != DATE_FORMATS["YYYY-MM-DD"]:
        return cell.str.to_date("%Y-%m-%d", strict=False).dt.strftime(pattern).fill_null("")
    return cell


def _cell(name: str, version: int, *, neutralise: bool) -> pl.Expr:
    if name in _AMOUNTS:
        return _amount(*_AMOUNTS[name])
    if name == "action":
        return _action()
    value = pl.col(name)
    if name == _DEADLINE:
        # The step's own clock where the feed names no date; rows of older lake files have none.
        value = pl.coalesce(selectors.by_name("reply_by_on", _DEADLINE, require_all=False))
    if version > 1 and name in {_DEADLINE, "clock"}:
        value = pl.when(pl.col("outcome").is_null()).then(value)
    if version > 1 and name == "status":
        # A stage that ends a dispute is its status where the feed names none.
        value = pl.coalesce("status", "outcome")
    text = value.cast(pl.String).fill_null("")
    if neutralise and name in TEXT_COLUMNS:
        return pl.when(_is_formula(name)).then(pl.concat_str(pl.lit("'"), text)).otherwise(text)
    return text


def _action() -> pl.Expr:
    """By stage while the dispute is open; a dispute that ended is accepted or closed."""
    outcome = pl.col("outcome")
    ended = pl.when(outcome == Stage.ACCEPTED).then(pl.lit(str(Action.ACCEPT)))
    names = {str(stage): str(action) for stage, action in ACTIONS.items()}
    is_open = pl.col("stage").replace_strict(names, return_dtype=pl.String)
    return pl.when(outcome.is_null()).then(is_open).otherwise(ended.otherwise(pl.lit("close")))


def _is_formula(name: str) -> pl.Expr:
    return pl.col(name).str.contains(_FORMULA).fill_null(value=False)


def _amount(minor: str, currency: str) -> pl.Expr:
    exponent = pl.col(currency).replace_strict(EXPONENTS, default=None, return_dtype=pl.Int64)
    amount = pl.col(minor)
    digits = amount.abs().cast(pl.String).str.pad_start(exponent + 1, "0")
    whole, fraction = digits.str.head(-exponent), digits.str.tail(exponent)
    text = (
        pl.when(exponent == 0).then(digits).otherwise(pl.concat_str(whole, pl.lit("."), fraction))
    )
    sign = pl.when(amount < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    return pl.concat_str(sign, text).fill_null("")


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
