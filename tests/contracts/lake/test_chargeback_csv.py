"""Chargeback files made of whole columns have the bytes that the row-by-row rule gives them."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from cardops.contracts.lake.chargeback_csv import rows_of_slot, write_body
from cardops.rules.chargebacks.files import SplitMode
from cardops.rules.chargebacks.routing import NETWORKS
from tests.factories.chargebacks import chargebacks, lake_frame
from tests.oracles.chargeback_files import Chargeback, render, split_into_files


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(chargebacks, max_size=12),
    mode=st.sampled_from(SplitMode),
    neutralise=st.booleans(),
)
def test_vectorised_csv_has_the_bytes_of_the_scalar_rule(
    *, rows: list[Chargeback], mode: SplitMode, neutralise: bool
) -> None:
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
