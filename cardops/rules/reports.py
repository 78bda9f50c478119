"""What can go wrong with a report of the marts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

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
    """What a build made under one name: its rows, none where they cannot be read, and its columns with their types."""

    row_count: int | None
    column_types: Mapping[str, str]


class ColumnOrigin(NamedTuple):
    """A column that another one is made from; `node` is dbt's unique id of its model, seed or source."""

    node: str
    column: str


# By name of the model and of its column.
ColumnLineage = Mapping[str, Mapping[str, Sequence[ColumnOrigin]]]


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


@dataclass(frozen=True, slots=True)
class BuildFailures:
    """What failed in a build of the marts: tests by name, and models (or dbt itself) with dbt's message.

    `skipped`: models that were not built, because one that they read failed.
    """

    tests: Sequence[str] = ()
    models: Mapping[str, str] = field(default_factory=dict)
    skipped: Sequence[str] = ()

    def __bool__(self) -> bool:
        """Whether anything failed."""
        return bool(self.tests or self.models or self.skipped)


class BuildFailedError(ExplainedError, RuntimeError):
    """Tests or models of the newest build failed, so it was not published."""

    def __init__(self, failures: BuildFailures) -> None:
        causes = [
            *(f"{model} could not be built: {why}" for model, why in failures.models.items()),
            *(f"dbt test {test} failed" for test in failures.tests),
        ]
        super().__init__(
            f"The marts were not published. {'; '.join(causes)}. Analysts keep what was published "
            "before. The failed checks of this run say which rows, and the daily report which of its "
            "parts are older; where it lists breaks, begin with docs/runbooks/reconciliation-breaks.md, "
            "else with docs/runbooks/run-failure.md."
        )


class CloseIncompleteError(ExplainedError, RuntimeError):
    """A part of analytics could not be made in this close; the report is made and says so."""

    def __init__(self, parts: Mapping[str, str]) -> None:
        causes = "; ".join(f"{part}: {why}" for part, why in parts.items())
        super().__init__(
            f"The report was made, but parts of this close failed, and its first section says which figures "
            f"are older or left out. {causes}. Mend the cause and launch daily_close for the date anew, "
            "with all its steps; see docs/runbooks/run-failure.md."
        )
