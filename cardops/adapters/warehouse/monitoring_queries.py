"""The queries of the daily report on monitoring programmes, of the report's month and the one before."""

# ruff: noqa: S608 - the parts that statements share are constants of this module
from typing import Final

# Merchants that the report lists, nearest to their line first; `found` counts all that have a case.
_LISTED: Final = 25
_MONTHS: Final = """
    month between date_trunc('month', $day::date) - interval 1 month and date_trunc('month', $day::date)
"""

MONITORING_QUERIES: Final = {
    # `needed_count`: the cases that reach the line at the present sales.
    "monitoring": f"""
        select program, merchant_id, programme, subject, strftime(month, '%Y-%m') as month,
            case_count, sales_count, line_tier, line_ratio_bps, line_case_count, tier_reached,
            cases_to_line, case_count + cases_to_line as needed_count,
            forecast_basis, forecast_case_count, forecast_sales_count, forecast_tier,
            alarm_level, missing_inputs, is_lower_bound, is_in_programme, months_below_count,
            exit_month_count, count(*) over () as found
        from fct_monitoring_programmes
        where {_MONTHS} and (case_count > 0 or is_in_programme)
        order by tier_reached is null, is_in_programme is not true, alarm_level is null, fct_monitoring_programmes.month desc,
            case_count / nullif(case_count + cases_to_line, 0) desc nulls last,
            program, programme, merchant_id
        limit {_LISTED}
    """,
    "monitoring_levels": """
        select program, programme, alarm_level, count(*) as merchants
        from fct_monitoring_programmes
        where alarm_level is not null and month = date_trunc('month', $day::date)
        group by program, programme, alarm_level
        order by alarm_level != 'reached', program, programme, alarm_level
    """,
    # Which figures lack what, also of merchants without a case.
    "monitoring_gaps": f"""
        with lacking as (
            select program, programme, strftime(month, '%Y-%m') as month,
                unnest(string_split(missing_inputs, ',')) as missing
            from fct_monitoring_programmes
            where {_MONTHS} and missing_inputs is not null and subject = 'merchant'
        )
        select program, programme, month, missing, count(*) as merchants
        from lacking
        group by all
        order by month desc, program, programme, missing
    """,
}
