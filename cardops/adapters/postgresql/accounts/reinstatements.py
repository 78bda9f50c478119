"""Requests to credit recalled deposits again, and what of a file was recalled or reinstated.

Belongs here: the requests as rows, and totals. Posting is in posting.py.
"""

import psycopg

from cardops.adapters.postgresql.accounts.posting import ReinstatementRequest


def add_request(session: psycopg.Connection, intake_id: int, request: ReinstatementRequest) -> None:
    """Add a request to the file's, unless one of them is not finished."""
    session.execute(
        "insert into reinstatement_requests (intake_id, request_number, requested_by, reason)"
        " select %s, count(*) + 1, %s, %s from reinstatement_requests where intake_id = %s"
        " having count(*) filter (where finished_at is null) = 0"
        " on conflict (intake_id, request_number) do nothing",
        [intake_id, request.requested_by, request.reason, intake_id],
    )


def find_request(session: psycopg.Connection, intake_id: int) -> ReinstatementRequest | None:
    """The file's unfinished request, or None."""
    row = session.execute(
        "select requested_by, reason from reinstatement_requests"
        " where intake_id = %s and finished_at is null",
        [intake_id],
    ).fetchone()
    return None if row is None else ReinstatementRequest(*row)


def finish_requests(session: psycopg.Connection, intake_id: int) -> None:
    """End the file's request: later runs of the file reinstate nothing."""
    session.execute(
        "update reinstatement_requests set finished_at = clock_timestamp()"
        " where intake_id = %s and finished_at is null",
        [intake_id],
    )


def recalled_totals(session: psycopg.Connection, intake_id: int) -> dict[str, int]:
    """What was recalled of the file's latest credit of each deposit, in minor units by currency."""
    rows = session.execute(
        "select c.currency, sum(c.amount_minor) from ("
        " select distinct on (program, deposit_id) * from deposit_credits where intake_id = %s"
        " order by program, deposit_id, credit_number desc) as c"
        " join deposit_recalls as r using (program, deposit_id, credit_number)"
        " group by c.currency order by c.currency",
        [intake_id],
    ).fetchall()
    return {currency: int(total_minor) for currency, total_minor in rows}


def reinstated_totals(session: psycopg.Connection, intake_id: int) -> dict[str, int]:
    """The file's reinstatements that stand, in minor units by currency."""
    rows = session.execute(
        "select currency, sum(amount_minor) from standing_deposits"
        " where intake_id = %s and credit_number > 1 group by currency order by currency",
        [intake_id],
    ).fetchall()
    return {currency: int(total_minor) for currency, total_minor in rows}
