"""Where merchants stand in monitoring programmes, read from the mart with DuckDB."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from typing_extensions import override

from cardops.adapters.warehouse.duckdb_warehouse import DuckDbWarehouse
from cardops.ports import MonitoringProgrammes
from cardops.rules.chargebacks.monitoring import MonitoringAlarm, ProgrammeFigures
from cardops.rules.reports import BuildFailedError

_MART: Final = "fct_monitoring_programmes"
_ALARMS: Final = """
select
    program, merchant_id, programme, month, tier_reached is not null,
    case_count, sales_count, line_tier, line_ratio_bps, line_case_count, cases_to_line,
    forecast_case_count, tier_reached, is_lower_bound
from fct_monitoring_programmes
where is_alarm
order by program, merchant_id, programme, month
"""


class DuckDbMonitoringProgrammes(MonitoringProgrammes):
    """Reads the marts that dbt built."""

    def __init__(self, warehouse: DuckDbWarehouse) -> None:
        self._warehouse = warehouse

    @override
    def alarms(self) -> Sequence[MonitoringAlarm]:
        with self._warehouse.reading() as session:
            failures = self._warehouse.failures()
            if _MART in failures.models or _MART in failures.skipped:
                raise BuildFailedError(failures)
            rows = session.execute(_ALARMS).fetchall()
        return [
            replace(MonitoringAlarm(*row[:5]), figures=ProgrammeFigures(*row[5:])) for row in rows
        ]
