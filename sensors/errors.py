"""Errors as Dagster records them, wrapped in its own."""

from dagster_shared.error import SerializableErrorInfo


def innermost(error: SerializableErrorInfo | None) -> SerializableErrorInfo | None:
    """The cause of causes: it says which file, where, and why."""
    while error and error.cause:
        error = error.cause
    return error
