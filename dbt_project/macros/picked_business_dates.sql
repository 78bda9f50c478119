{#-
    The days an incremental model takes: those it was asked for, and every other day whose rows
    in the source are more or fewer than the model holds (an earlier day that was exported again,
    or was never built). A day's rows are only ever added to or replaced whole, so counts tell.
-#}
{% macro picked_business_dates(source_relation) %}
    select source_days.business_date
    from (
        select
            business_date,
            count(*) as row_count
        from {{ source_relation }}
        group by business_date
    ) as source_days
    left join (
        select
            business_date,
            count(*) as row_count
        from {{ this }}
        group by business_date
    ) as built_days using (business_date)
    where
        built_days.row_count is distinct from source_days.row_count
        or source_days.business_date between
        cast('{{ env_var("CARDOPS_FIRST_BUSINESS_DATE", "0001-01-01") }}' as date)
        and cast('{{ env_var("CARDOPS_LAST_BUSINESS_DATE", "9999-12-31") }}' as date)
{% endmacro %}
