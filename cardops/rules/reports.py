"""What can go wrong with a report of the marts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cardops.rules.errors import ExplainedError


@dataclass(frozen=True, slots=True)
class Edition:
    """One edition of a date's report: a page is kept as it was made, and another one is the next edition.

    `content_sha256` is over what it says, without when it was made.
    """

    number: int
    made_at: datetime
    content_sha256: str

    def next(self, made_at: datetime, content_sha256: str) -> "Edition":
        """The edition after this one; this one where it says the same."""
        if content_sha256 == self.content_sha256:
            return self
        return Edition(self.number + 1, made_at, content_sha256)


@dataclass(frozen=True, slots=True)
class BuiltTable:
    """What a build made under one name: its columns with their types; the rows of a table, of a view none."""

    row_count: int | None
    column_types: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SourceTest:
    """What a build found where it tested a table of the lake; `name` is dbt's unique id of the test."""

    name: str
    passed: bool
    is_warning: bool
    failed_rows: int | None
    message: str | None


class NothingBuiltError(ExplainedError, RuntimeError):
    """No marts were built or published yet; the message says what to run."""


class TestsFailedError(ExplainedError, RuntimeError):
    """Tests of the newest build failed, so it was not published."""

    __test__ = False  # no test of pytest's

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(
            f"The marts were not published, because dbt tests failed: {', '.join(names)}. Analysts keep "
            "what was published before. The failed checks of this run say which rows; where the daily "
            "report lists breaks, begin with docs/runbooks/reconciliation-breaks.md."
        )
