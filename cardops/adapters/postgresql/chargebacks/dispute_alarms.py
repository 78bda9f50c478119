"""DisputeAlarms on PostgreSQL: which alarms of deadlines were raised, each once."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import psycopg

from cardops.adapters.postgresql.transactions import run_in_transaction
from cardops.rules.chargebacks.alarms import AlarmLevel, DeadlineAlarm
from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.chargebacks.queue import Opening

# Rows of one statement: a batch of arrays, not a million parameters.
ALARMS_AT_ONCE: Final = 10_000
_COLUMNS: Final = "program, network, case_number, stage, opening_number, reply_by_on, level"
_ROWS: Final = (
    "unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::int[], %s::date[], %s::text[])"
)
# Two workers at once: the second waits for the first's commit and gets none of its rows.
_CLAIM: Final = f"""
insert into dispute_alarms ({_COLUMNS})
select * from {_ROWS}
on conflict do nothing
returning {_COLUMNS}
"""  # noqa: S608 - only our own names
_CONFIRM: Final = f"""
update dispute_alarms
set sent_at = clock_timestamp()
from {_ROWS} as sent ({_COLUMNS})
where (
    dispute_alarms.program, dispute_alarms.network, dispute_alarms.case_number,
    dispute_alarms.stage, dispute_alarms.opening_number, dispute_alarms.reply_by_on,
    dispute_alarms.level
) = (
    sent.program, sent.network, sent.case_number, sent.stage, sent.opening_number,
    sent.reply_by_on, sent.level
)
"""  # noqa: S608 - only our own names
_UNCONFIRMED: Final = f"""
select {_COLUMNS}
from dispute_alarms
where sent_at is null and raised_at < %s
order by {_COLUMNS}
"""  # noqa: S608 - only our own names


class PostgresDisputeAlarms:
    """Implements cardops.ports.DisputeAlarms. Holds no session between calls."""

    def __init__(self, url: str) -> None:
        self._url = url

    def claim(self, alarms: Sequence[DeadlineAlarm]) -> Sequence[DeadlineAlarm]:
        """Record those that nobody raised yet, and return them."""

        def claim_all(session: psycopg.Connection) -> list[DeadlineAlarm]:
            # In one order in every worker, so that two of them never deadlock.
            ordered = sorted(alarms, key=_values)
            return [
                _alarm(row)
                for batch in _batches(ordered)
                for row in session.execute(_CLAIM, _arrays(batch))
            ]

        # A claim that was stored while its answer was lost is nobody's to send: it stays unconfirmed.
        return run_in_transaction(self._url, claim_all)

    def confirm(self, alarms: Sequence[DeadlineAlarm]) -> None:
        """Record that they were sent."""

        def confirm_all(session: psycopg.Connection) -> None:
            for batch in _batches(sorted(alarms, key=_values)):
                session.execute(_CONFIRM, _arrays(batch))

        run_in_transaction(self._url, confirm_all)

    def unconfirmed(self, before: datetime) -> Sequence[DeadlineAlarm]:
        """Alarms raised before that instant which may not have been sent."""
        rows = run_in_transaction(
            self._url, lambda session: session.execute(_UNCONFIRMED, [before]).fetchall()
        )
        return [_alarm(row) for row in rows]


def _batches(alarms: Sequence[DeadlineAlarm]) -> list[Sequence[DeadlineAlarm]]:
    return [alarms[at : at + ALARMS_AT_ONCE] for at in range(0, len(alarms), ALARMS_AT_ONCE)]


def _values(alarm: DeadlineAlarm) -> tuple[Any, ...]:
    opening = alarm.opening
    key = opening.dispute
    return (
        *(key.program, key.network, key.case_number, opening.stage, opening.number),
        *(alarm.reply_by_on, alarm.level.value),
    )


def _arrays(alarms: Sequence[DeadlineAlarm]) -> list[list[Any]]:
    """One array a column."""
    return [list(column) for column in zip(*map(_values, alarms), strict=True)]


def _alarm(row: tuple[Any, ...]) -> DeadlineAlarm:
    program, network, case_number, stage, opening_number, reply_by_on, level = row
    opening = Opening(DisputeKey(program, network, case_number), stage, opening_number)
    return DeadlineAlarm(opening, reply_by_on, AlarmLevel(level))
