"""Judging tells nobody: it returns numbers of rows, and who ingests a file tells of them."""

from collections.abc import Iterable

from cardops.ports.progress import Step, rows_done


def tell_of_judged(row_counts: Iterable[int]) -> None:
    """Judge chunk by chunk, as the iterable does, and tell of each one's rows."""
    rows_done(Step.JUDGED, 0)
    for row_count in row_counts:
        rows_done(Step.JUDGED, row_count)
