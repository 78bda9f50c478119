"""Errors of the database, each with a sentence that says what to do."""

from cardops.rules.errors import ExplainedError


class DatabaseUnavailableError(ExplainedError, RuntimeError):
    """The database cannot be started or reached; the message says why and what to correct."""


class DatabaseFullError(ExplainedError, RuntimeError):
    """The server has no room left for what was to be written."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The disk of the database is full ({reason}), so nothing more was written; what was "
            "committed before stays. Make room on it, then run the same again."
        )


class MigrationBlockedError(ExplainedError, RuntimeError):
    """Long queries kept a migration from its locks."""

    def __init__(self) -> None:
        super().__init__(
            "A migration found no moment in which to change a table, because long queries read it; "
            "the table is as before. End them (pg_stat_activity shows them) or wait, then start again."
        )


class MigrationChangedError(ExplainedError, RuntimeError):
    """The file of an applied migration has changed."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"Migration {name} was changed after this database had applied it, so the schema is "
            "not what the file says; restore the file and put the change into a new migration."
        )
