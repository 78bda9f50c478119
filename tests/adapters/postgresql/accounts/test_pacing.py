"""The rows of a chunk follow the time that chunks take."""

import pytest

from cardops.adapters.postgresql.accounts.pacing import (
    MAX_ROWS,
    MIN_ROWS,
    TARGET_SECONDS,
    ChunkPace,
)


@pytest.mark.parametrize("seconds_per_row", [0.000_004, 0.000_02, 0.000_05])
def test_chunks_settle_at_the_target_time(seconds_per_row: float) -> None:
    pace = ChunkPace()
    for _ in range(10):
        pace.add(pace.row_count * seconds_per_row)

    assert pace.row_count * seconds_per_row == pytest.approx(TARGET_SECONDS, rel=0.01)


def test_slow_chunk_shrinks_the_next_one_at_once() -> None:
    pace = ChunkPace()
    for _ in range(3):
        pace.add(TARGET_SECONDS / 2)
    assert pace.row_count == 8 * MIN_ROWS

    pace.add(4 * TARGET_SECONDS)

    assert pace.row_count == 2 * MIN_ROWS


def test_chunks_stay_between_their_limits() -> None:
    pace = ChunkPace()
    pace.add(10.0)
    assert pace.row_count == MIN_ROWS
    for _ in range(20):
        pace.add(0.0)

    assert pace.row_count == MAX_ROWS
