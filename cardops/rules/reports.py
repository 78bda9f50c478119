"""What can go wrong with a report of the marts."""


class NothingBuiltError(RuntimeError):
    """No marts were built or published yet; the message says what to run."""
