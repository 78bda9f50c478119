"""Errors of the database, each with a sentence that says what to do."""

from cardops.rules.errors import ExplainedError


class DatabaseUnavailableError(ExplainedError, RuntimeError):
    """The database cannot be started or reached; the message says why and what to correct."""


class MigrationChangedError(ExplainedError, RuntimeError):
    """The file of an applied migration has changed."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"Migration {name} was changed after this database had applied it, so the schema is "
            "not what the file says; restore the file and put the change into a new migration."
        )
