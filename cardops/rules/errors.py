"""Expected errors, whose message is written for the person who reads it.

Belongs here: the base class alone. Each error stands beside what raises it.
"""


class ExplainedError(Exception):
    """One sentence for an operator: what happened, what it means, what to do.

    Commands print the message and exit with 2; any other exception is a bug and keeps its trace.
    """
