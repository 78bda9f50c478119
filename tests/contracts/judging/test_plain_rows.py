"""The cheap test that most rows pass against the exact checks, row by row and reason by reason."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cardops.contracts.columns.money import _exact_minor, amount_minor
from cardops.contracts.columns.times import _exact_instant, instant
from cardops.contracts.judging.judging import Circumstances, judge_exactly, judge_rows
from cardops.contracts.kinds.profile import Judgement, KindProfile
from cardops.contracts.kinds.registry import KINDS

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
PLAIN = [profile for profile in KINDS.values() if profile.reference is None]
AMOUNTS = st.from_regex(r"-?[0-9]{0,17}(\.[0-9]{0,4})?|0*\.?0*[0-9]|1e3|\+1", fullmatch=True)
CURRENCIES = st.sampled_from(["USD", "JPY", "KWD", "CLF", "usd", "XXX", "", None])
TIMES = st.one_of(
    st.from_regex(r"(19|2[0-9])[0-9]{2}-[01][0-9]-[0-3][0-9](T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]Z?)?", fullmatch=True),
    st.datetimes(datetime(2026, 11, 28), datetime(2026, 12, 1)).map(lambda at: at.strftime("%Y-%m-%dT%H:%M:%SZ")),  # noqa: DTZ001 - bounds
    st.sampled_from(["2024-02-29T00:00:00Z", "2023-02-29T00:00:00Z", "2026-11-20 10:00", "2026-11-20T10:00:00+01:00", "2026-11-20T10:00:00.123456Z", "2026-04-31", None]),
)  # fmt: skip
WORDS = st.sampled_from(
    [None, "u1", ".", "..", "a b", "x" * 64, "x" * 65, "completed", "paid", "é"]
)
CELLS = st.one_of(AMOUNTS, CURRENCIES, TIMES, WORDS)


def cell_of(column: str, profile: KindProfile) -> st.SearchStrategy[str | None]:
    """Mostly what belongs into the column, so that many rows are valid."""
    own: st.SearchStrategy[str | None] = WORDS
    if column in profile.contract.amounts:
        own = st.just("25.00") | AMOUNTS
    elif column in profile.contract.times:
        own = st.just("2026-11-20T10:00:00Z") | TIMES
    elif column == "currency":
        own = CURRENCIES
    return st.one_of(own, own, own, CELLS)


@pytest.mark.parametrize("profile", PLAIN, ids=[profile.kind for profile in PLAIN])
@pytest.mark.parametrize("examples", [12, pytest.param(400, marks=pytest.mark.soak)])
def test_cheap_test_changes_no_reason_and_no_flag(profile: KindProfile, examples: int) -> None:
    @given(data=st.data())
    @settings(max_examples=examples, suppress_health_check=[HealthCheck.too_slow], deadline=None)
    def check(data: st.DataObject) -> None:
        columns = profile.contract.columns
        row = st.tuples(*(cell_of(column, profile) for column in columns))
        drawn = data.draw(st.lists(row, min_size=1, max_size=6))
        frame = pl.DataFrame(drawn, schema=dict.fromkeys(columns, pl.String()), orient="row")
        chunk = frame.with_columns(
            pl.int_range(pl.len(), dtype=pl.Int64).alias("row_number"),
            pl.lit("raw").alias("raw"),
            pl.lit(None, pl.String).alias("framing"),
        )
        circumstances = Circumstances(now=NOW)
        every = pl.repeat(value=True, n=chunk.height, dtype=pl.Boolean, eager=True)

        judged = judge_rows(chunk, profile, circumstances)

        judgement: Judgement = profile.judge(chunk, None, {})
        expected = judge_exactly(judgement, profile, circumstances, every)
        found = pl.concat([judged.plain, judged.others]).sort("row_number")
        shown = ("row_number", "reasons", "flags")
        assert found.select(shown).rows() == expected.sort("row_number").select(shown).rows()

    check()


@settings(max_examples=60)
@given(st.lists(st.tuples(AMOUNTS | st.none(), CURRENCIES), min_size=1, max_size=8))
def test_amount_in_one_step_is_the_exact_amount(rows: list[tuple[str | None, str | None]]) -> None:
    frame = pl.DataFrame(rows, schema={"amount": pl.String, "currency": pl.String}, orient="row")

    found = frame.select(amount_minor("amount", "currency")).to_series().to_list()

    assert found == frame.select(_exact_minor("amount", "currency")).to_series().to_list()


@pytest.mark.parametrize("is_day_allowed", [False, True])
@settings(max_examples=50)
@given(texts=st.lists(TIMES, min_size=1, max_size=8))
def test_instant_in_one_step_is_the_exact_instant(
    texts: list[str | None], *, is_day_allowed: bool
) -> None:
    frame = pl.DataFrame({"at": texts}, schema={"at": pl.String})

    found = frame.select(instant("at", is_day_allowed=is_day_allowed)).to_series().to_list()

    exact = frame.select(_exact_instant("at", is_day_allowed=is_day_allowed))
    assert found == exact.to_series().to_list()


@pytest.mark.parametrize("seconds", [-1, 0, 1])
def test_instant_a_day_ahead_is_the_last_that_is_accepted(seconds: int) -> None:
    at = (NOW + timedelta(days=1, seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    row = {"user_id": "u", "amount": "1", "deposit_id": "d", "timestamp": at, "currency": "USD"}
    frame = pl.DataFrame([row]).with_columns(
        pl.lit(1, pl.Int64).alias("row_number"),
        pl.lit("raw").alias("raw"),
        pl.lit(None, pl.String).alias("framing"),
    )

    judged = judge_rows(frame, KINDS["deposits"], Circumstances(now=NOW))  # type: ignore[index]  # a plain name

    expected = [["future_timestamp"]] if seconds > 0 else []
    assert [reasons for reasons in judged.others["reasons"].to_list() if reasons] == expected
