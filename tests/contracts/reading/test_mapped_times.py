"""Dates of many dialects: whole columns like one text at a time, in the zone that the sender means."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from cardops.contracts.reading.mapped_times import contract_time
from cardops.rules.mappings.dates import DateFormat
from cardops.rules.mappings.mapping import FileMapping
from tests.factories.mapped_files import judged

DATE_FORMATS = [
    "%d.%m.%Y",
    "%m/%d/%y %I:%M %p",
    "%d-%b-%Y %H:%M:%S",
    "%Y%m%d%H%M",
    "%d.%m.%Y %H:%M:%S.%f%z",
]


@given(
    st.sampled_from(DATE_FORMATS),
    st.lists(st.datetimes(datetime(2001, 1, 1), datetime(2099, 1, 1)), min_size=30, max_size=40),  # noqa: DTZ001
    st.lists(st.text("0123456789.:/ -AMPmJanFoo+", max_size=22), min_size=10, max_size=20),
)
@settings(max_examples=8, deadline=None)
def test_column_of_dates_equals_dates_one_by_one(
    text: str, times: Sequence[datetime], others: Sequence[str]
) -> None:
    date_format = DateFormat(text)
    texts = [time.replace(tzinfo=UTC).strftime(text) for time in times] + list(others)
    column = pl.DataFrame({"at": texts}).select(
        contract_time("at", FileMapping(date_formats=(date_format,)), is_day_allowed=False)
    )

    assert column.to_series().to_list() == [date_format.iso(one) or one for one in texts]


def test_time_zone_does_not_move_the_day_that_a_sender_means() -> None:
    text = (
        "transaction_id;chargeback_amount;currency;card_network;dispute_date;reply_by_date\n"
        "t1;25.00;EUR;visa;20.11.2026 00:30;2026-12-05T00:10:00.5\n"
    )
    definition = {
        "delimiter": ";",
        "date_formats": ["%d.%m.%Y %H:%M"],
        "time_zone": "Europe/Berlin",
    }

    (row,), _ = judged(text.encode(), definition, kind="chargebacks")

    assert (row["dispute_date"], row["reply_by_date"]) == (date(2026, 11, 20), date(2026, 12, 5))
