"""A process that credits one file and may kill itself on the way: run as a script.

Arguments: the database's URL, intake id, rows, users, prefix of deposit ids, after how many
chunks it kills itself (0: never), and the rows of a chunk (0: as the product chooses).
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import psycopg

from cardops.adapters.postgresql.accounts import deposits, posting
from cardops.adapters.postgresql.accounts.deposits import PostgresDepositLedger
from tests.factories.chunks import fix_chunk_rows
from tests.factories.intake import Deposit, an_intake_file, staged

CHUNK_ROWS = 20
ROOT = Path(__file__).resolve().parents[2]


def rows_of_a_file(rows: int, users: int, prefix: str) -> pl.DataFrame:
    """Every tenth row repeats the deposit of an earlier one."""
    return staged(
        [
            Deposit(f"{prefix}-{n - 5 if n % 10 == 9 else n}", user_id=f"user_{n * 7 % users}")
            for n in range(rows)
        ]
    )


def credit_users(url: str, amounts: "dict[str, int]", *, intake_id: int = 900) -> None:
    """A file with one deposit for each of these users, through the real ledger."""
    rows = [
        Deposit(f"{intake_id}-{user_id}", user_id=user_id, amount_minor=amount_minor)
        for user_id, amount_minor in amounts.items()
    ]
    PostgresDepositLedger(url).credit(an_intake_file(intake_id), [staged(rows)])


def start_crediting(url: str, intake_id: int, **options: object) -> "subprocess.Popen[str]":
    """The same in a process of its own. Options: rows, users, prefix, die_after,
    chunk_rows."""
    chosen: dict[str, object] = {
        "rows": 200,
        "users": 40,
        "prefix": "d",
        "die_after": 0,
        "chunk_rows": CHUNK_ROWS,
    }
    chosen |= options
    arguments = [url, str(intake_id), *(str(value) for value in chosen.values())]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.servers.killable_credit", *arguments],
        cwd=ROOT,
        text=True,
    )


def main(url: str, intake_id: str, rows: str, users: str, prefix: str, *chunks: str) -> None:
    die_after, chunk_rows = map(int, chunks)
    if chunk_rows:
        fix_chunk_rows(chunk_rows)
    real, done = posting.credit_chunk, 0

    def credit_chunk(session: psycopg.Connection, stage: object, chunk: object) -> pl.DataFrame:
        nonlocal done
        # The chunks before this one are committed; this one is posted and will not be committed.
        credited = real(session, stage, chunk)  # type: ignore[arg-type]
        done += 1
        if done == die_after:
            os.kill(os.getpid(), signal.SIGKILL)
        return credited

    deposits.credit_chunk = credit_chunk  # type: ignore[attr-defined] # dies at the chosen chunk
    frame = rows_of_a_file(int(rows), int(users), prefix)
    PostgresDepositLedger(url).credit(an_intake_file(int(intake_id)), [frame])


if __name__ == "__main__":
    main(*sys.argv[1:])
