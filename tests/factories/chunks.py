"""Chunks of a fixed size, where a test must know how many there are."""

from cardops.adapters.postgresql.accounts import pacing


def fix_chunk_rows(row_count: int) -> None:
    """For the rest of this process."""
    pacing.FIRST_ROWS = row_count  # type: ignore[misc]
    pacing.MIN_ROWS = row_count  # type: ignore[misc]
    pacing.MAX_ROWS = row_count  # type: ignore[misc]
