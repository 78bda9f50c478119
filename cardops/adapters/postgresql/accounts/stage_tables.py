"""The table of a deposit file's staged rows: its name, and its end.

Belongs here: what needs no rows. Commands that only list files use it, and load no polars for it.
"""

import psycopg
from psycopg import sql


def stage_table(intake_id: int) -> sql.Identifier:
    """The table's name."""
    return sql.Identifier(f"deposit_stage_{intake_id}")


def drop_stage(session: psycopg.Connection, intake_id: int) -> None:
    """Drop a file's staged rows, whether or not there are any."""
    session.execute(sql.SQL("drop table if exists {}").format(stage_table(intake_id)))
    session.execute("delete from deposit_stagings where intake_id = %s", [intake_id])
