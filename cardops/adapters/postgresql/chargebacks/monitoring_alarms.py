"""MonitoringAlarms on PostgreSQL: which alarms of monitoring programmes were raised, each once."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import psycopg

from cardops.adapters.postgresql.transactions import run_in_transaction
from cardops.rules.chargebacks.monitoring import MonitoringAlarm

# Rows of one statement: a batch of arrays, not a million parameters.
ALARMS_AT_ONCE: Final = 10_000
_COLUMNS: Final = "program, merchant_id, programme, month_on, is_reached"
_ROWS: Final = "unnest(%s::text[], %s::text[], %s::text[], %s::date[], %s::boolean[])"
# Two workers at once: the second waits for the first's commit and gets none of its rows.
_CLAIM: Final = f"""
insert into monitoring_alarms ({_COLUMNS})
select * from {_ROWS}
on conflict do nothing
returning {_COLUMNS}
"""  # noqa: S608 - only our own names
_CONFIRM: Final = f"""
update monitoring_alarms
set sent_at = clock_timestamp()
from {_ROWS} as sent ({_COLUMNS})
where (
    monitoring_alarms.program, monitoring_alarms.merchant_id, monitoring_alarms.programme,
    monitoring_alarms.month_on, monitoring_alarms.is_reached
) = (sent.program, sent.merchant_id, sent.programme, sent.month_on, sent.is_reached)
"""  # noqa: S608 - only our own names
_UNCONFIRMED: Final = f"""
select {_COLUMNS}
from monitoring_alarms
where sent_at is null and raised_at < %s
order by {_COLUMNS}
"""  # noqa: S608 - only our own names


class PostgresMonitoringAlarms:
    """Implements cardops.ports.MonitoringAlarms. Holds no session between calls."""

    def __init__(self, url: str) -> None:
        self._url = url

    def claim(self, alarms: Sequence[MonitoringAlarm]) -> Sequence[MonitoringAlarm]:
        """Record those that nobody raised yet, and return them with their figures."""

        def claim_all(session: psycopg.Connection) -> set[MonitoringAlarm]:
            # In one order in every worker, so that two of them never deadlock.
            ordered = sorted(alarms)
            return {
                MonitoringAlarm(*row)
                for batch in _batches(ordered)
                for row in session.execute(_CLAIM, _arrays(batch))
            }

        # A claim that was stored while its answer was lost is nobody's to send: it stays unconfirmed.
        new = run_in_transaction(self._url, claim_all)
        return [alarm for alarm in sorted(alarms) if alarm in new]

    def confirm(self, alarms: Sequence[MonitoringAlarm]) -> None:
        """Record that they were sent."""

        def confirm_all(session: psycopg.Connection) -> None:
            for batch in _batches(sorted(alarms)):
                session.execute(_CONFIRM, _arrays(batch))

        run_in_transaction(self._url, confirm_all)

    def unconfirmed(self, before: datetime) -> Sequence[MonitoringAlarm]:
        """Alarms raised before that instant which may not have been sent."""
        rows = run_in_transaction(
            self._url, lambda session: session.execute(_UNCONFIRMED, [before]).fetchall()
        )
        return [MonitoringAlarm(*row) for row in rows]


def _batches(alarms: Sequence[MonitoringAlarm]) -> list[Sequence[MonitoringAlarm]]:
    return [alarms[at : at + ALARMS_AT_ONCE] for at in range(0, len(alarms), ALARMS_AT_ONCE)]


def _arrays(alarms: Sequence[MonitoringAlarm]) -> list[list[Any]]:
    """One array a column."""
    rows = (
        (alarm.program, alarm.merchant_id, alarm.programme, alarm.month, alarm.is_reached)
        for alarm in alarms
    )
    return [list(column) for column in zip(*rows, strict=True)]
