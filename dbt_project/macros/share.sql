{#-
    Part over whole with six digits, half rounded up; null where the whole is zero. By whole numbers:
    a division of floats would round some halves down, and engines would differ.
-#}
{%- macro share(part, whole) -%}
    {%- set part = "cast(" ~ part ~ " as " ~ wide_integer() ~ ")" -%}
    {%- set whole = "cast(" ~ whole ~ " as " ~ wide_integer() ~ ")" -%}
    cast(
            cast(
                {{ whole_quotient("2000000 * " ~ part ~ " + " ~ whole, "nullif(2 * " ~ whole ~ ", 0)") }}
                as double
            ) / 1000000 as decimal(38, 6)
        )
{%- endmacro -%}
