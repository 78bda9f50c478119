"""The compiled contracts against pandera's own backend, and what the compiler refuses."""

from typing import Any

import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandera.errors import SchemaErrors

from cardops.contracts.judging.checks import UnknownCheckError, compiled
from cardops.contracts.kinds.contract import Contract
from cardops.contracts.kinds.registry import KINDS
from cardops.rules.intake.files import RowReason

CONTRACTS = {kind: profile.contract for kind, profile in KINDS.items()}
CELLS = st.sampled_from(
    [None, "u1", "..", "a b", "25.00", "25.005", "-1", "0", "1e3", "USD", "usd", "JPY", "2026-11-20", "2026-11-20T10:00:00Z", "2026-13-20T10:00:00Z", "completed", "paid", "open", "9" * 20]
)  # fmt: skip


@st.composite
def frames(draw: st.DrawFn, contract: Contract) -> pl.DataFrame:
    rows = draw(st.lists(st.tuples(*[CELLS] * len(contract.columns)), min_size=1, max_size=4))
    return pl.DataFrame(rows, schema=dict.fromkeys(contract.columns, pl.String()), orient="row")


def rows_that_pandera_refuses(model: type[pa.DataFrameModel], frame: pl.DataFrame) -> set[int]:
    try:
        model.validate(frame, lazy=True)
    except SchemaErrors as errors:
        return set(errors.failure_cases["index"].to_list())
    return set()


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=list(CONTRACTS))
@pytest.mark.parametrize("examples", [12, pytest.param(400, marks=pytest.mark.soak)])
def test_compiled_contract_fails_the_rows_that_pandera_fails(
    contract: Contract, examples: int
) -> None:
    @given(data=st.data())
    @settings(max_examples=examples, suppress_health_check=[HealthCheck.too_slow], deadline=None)
    def check(data: st.DataObject) -> None:
        frame = data.draw(frames(contract))

        reasons = compiled(contract.model)
        failed = frame.select(pl.any_horizontal(*reasons.values())).to_series()

        assert set(failed.arg_true()) == rows_that_pandera_refuses(contract.model, frame)

    check()


def test_check_without_a_compiled_form_is_refused() -> None:
    class Strange(pa.DataFrameModel):
        code: str = pa.Field(str_length={"max_value": 3})

    with pytest.raises(UnknownCheckError, match="str_length"):
        compiled(Strange)


def test_status_check_without_a_reason_is_refused() -> None:
    class Reasonless(pa.DataFrameModel):
        code: str = pa.Field(isin=["a"])

    with pytest.raises(KeyError, match="reason"):
        compiled(Reasonless)


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=list(CONTRACTS))
def test_empty_row_of_each_contract_is_missing_fields_only(contract: Contract) -> None:
    row: dict[str, Any] = dict.fromkeys(contract.columns)
    frame = pl.DataFrame([row], schema=dict.fromkeys(contract.columns, pl.String()))

    found = frame.select(failed.alias(code) for code, failed in compiled(contract.model).items())

    assert [code for code, failed in found.row(0, named=True).items() if failed] == [
        RowReason.MISSING_FIELD
    ]
