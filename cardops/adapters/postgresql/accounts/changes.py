"""Changes that no decision may overtake: a block, a limit of one user, a limit of a program.

Of one user, in two commits: the change itself, then a new revision of the user's accounts, which a
decision's debit compares. A decision that read the accounts before the first commit is refused, or
has ended before the second one gets its locks. Nobody else's decision meets any of these locks.

Of a whole program, one commit with a new revision of the program, which a decision compares as of
its snapshot; then the writes that were in progress are waited for (authorizations/writers.py).

Killed in between, the change holds for every later decision, and the same command completes it.

Belongs here: revisions and the order of commits. What is changed is the caller's.
"""

from collections.abc import Callable
from typing import Final, TypeVar

import psycopg

from cardops.adapters.postgresql.authorizations.writers import wait_for_spending_writers
from cardops.adapters.postgresql.connection import connect

Result = TypeVar("Result")

# Changes within a program are made one after the other, since a limit is merged with the one before.
_LOCK_PROGRAM: Final = "select 1 from programs where program = %s for no key update"
_NEW_PROGRAM_REVISION: Final = (
    "update programs set revision = revision + 1 where program = %s"  # guard: new-program-revision
)
# Locked in the order in which decisions lock accounts.
_NEW_ACCOUNT_REVISIONS: Final = """
with changed as materialized (
    select program, user_id, currency from accounts
    where program = %s and user_id = %s
    order by program, user_id, currency
    for update
)
update accounts as a
set revision = a.revision + 1 -- guard: new-account-revision
from changed as c
where a.program = c.program and a.user_id = c.user_id and a.currency = c.currency
"""


def change_user(
    url: str, program: str, user_id: str, change: Callable[[psycopg.Connection], Result]
) -> Result:
    """The result of the change, once no decision can be permitted without it."""
    # In a pipeline, so that a change that reads nothing is two round trips: on a machine whose
    # processors are all busy, each one waits for its turn.
    with connect(url) as session, session.pipeline():
        with session.transaction():
            session.execute(_LOCK_PROGRAM, [program])
            result = change(session)
        session.execute(_NEW_ACCOUNT_REVISIONS, [program, user_id])
    return result


def change_program(
    url: str, program: str, change: Callable[[psycopg.Connection], Result]
) -> Result:
    """The same for a change that concerns every user of the program.

    Raises WritesInProgressError where decisions in progress do not end in time; the change is
    stored.
    """
    with connect(url) as session:
        with session.transaction():
            session.execute(_NEW_PROGRAM_REVISION, [program])
            result = change(session)
        wait_for_spending_writers(session)  # guard: limits-wait-for-decisions
    return result
