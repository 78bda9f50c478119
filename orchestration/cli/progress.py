"""Rows done and rate on standard error while a command ingests a file."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from cardops.ports.progress import ProgressLines, Step, heard_by, progress_line
from orchestration.cli.output import say


@contextmanager
def shown_progress() -> Iterator[None]:
    """A line that is kept up to date on a terminal; elsewhere, a new one every few seconds."""
    if not sys.stderr.isatty():
        with heard_by(ProgressLines(say)):
            yield
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.progress import (  # noqa: PLC0415 - only a terminal needs it
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bar:
        task = bar.add_task("starting …", total=None)
        steps: dict[Step, tuple[float, int]] = {}
        before = time.monotonic()

        def show(step: Step, rows: int) -> None:
            nonlocal before
            now = time.monotonic()
            begun, done = steps.get(step, (before if rows else now, 0))
            before = now
            steps[step] = (begun, done + rows)
            bar.update(task, description=progress_line(step, done + rows, before - begun))

        with heard_by(show):
            yield
