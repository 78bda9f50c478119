"""No file of tests that ask which day it is begins on one date and ends on the next."""

from datetime import UTC, datetime

import pytest

from tests.factories.real_days import seconds_to_wait

DAY, SHORT = "tests/end_to_end/test_killed_day.py", "tests/services/test_any.py"


@pytest.mark.parametrize(
    ("now", "file", "seconds"),
    [
        (datetime(2026, 11, 30, 23, 59, 30, tzinfo=UTC), SHORT, 31),
        (datetime(2026, 12, 31, 23, 58, 30, tzinfo=UTC), SHORT, 0),
        (datetime(2026, 12, 31, 23, 58, 30, tzinfo=UTC), DAY, 91),
        (datetime(2028, 2, 28, 23, 59, 59, tzinfo=UTC), DAY, 2),
        (datetime(2026, 11, 29, 0, 0, 0, tzinfo=UTC), DAY, 0),
    ],
)
def test_file_waits_for_midnight_if_it_would_not_end_before(
    now: datetime, file: str, seconds: float
) -> None:
    assert seconds_to_wait(file, now) == seconds
