"""Rows done on standard error while a command ingests: a live line on a terminal, lines elsewhere."""

import io
import sys

import pytest

from cardops.ports import progress
from cardops.ports.progress import Step, rows_done
from orchestration.cli.progress import shown_progress


class Terminal(io.StringIO):
    """Standard error that a person looks at."""

    def isatty(self) -> bool:
        return True


def test_lines_go_to_standard_error_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)

    with shown_progress():
        rows_done(Step.JUDGED, 0)
        rows_done(Step.JUDGED, 1_200)
    rows_done(Step.JUDGED, 5)

    shown = capsys.readouterr()
    assert shown.out == ""
    assert "1,200 rows judged, " in shown.err
    assert "1,205" not in shown.err


def test_terminal_shows_one_line_that_is_removed_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)

    with shown_progress():
        rows_done(Step.POSTED, 300)
        rows_done(Step.POSTED, 700)

    text = terminal.getvalue()
    assert "1,000 rows posted, " in text
    assert text.count("\n") <= 1
