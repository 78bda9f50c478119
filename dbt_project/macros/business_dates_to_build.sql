{#-
    The business dates an incremental model builds: those the run selects, and every other date
    whose row count in the source differs from the model's (a date that was exported again, or was
    never built). A date's rows are only appended or replaced whole, so comparing counts is enough.
-#}
{% macro business_dates_to_build(source_relation) %}
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
