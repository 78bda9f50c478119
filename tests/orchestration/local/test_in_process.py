"""Runs inside a process beside others: what one begins does not touch another's."""

import logging
from pathlib import Path

import pytest
from typing_extensions import override

from cardops.settings import Settings
from orchestration.local.in_process import InProcessRuns

pytestmark = [pytest.mark.database, pytest.mark.dagster]


class OpenHandler(logging.Handler):
    """The handler of a run in another thread."""

    is_closed = False

    @override
    def close(self) -> None:
        self.is_closed = True
        super().close()


def test_run_that_begins_leaves_the_logging_of_others_alone(
    tmp_path: Path, database_url: str
) -> None:
    runs = InProcessRuns(Settings(home=tmp_path, database_url=database_url))
    other = OpenHandler()

    handlers = runs.instance.get_handlers()  # as each run does at its start

    assert not other.is_closed
    assert len(handlers) == 1  # what records its events
