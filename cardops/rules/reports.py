"""What can go wrong with a report of the marts."""

from cardops.rules.errors import ExplainedError


class NothingBuiltError(ExplainedError, RuntimeError):
    """No marts were built or published yet; the message says what to run."""
