"""What a destination's layout may say, and what refuses one."""

from typing import Any

import pytest

from cardops.rules.chargebacks.files import columns_of
from cardops.rules.chargebacks.layouts import (
    DestinationLayout,
    InvalidLayoutError,
    OutputColumn,
    parse_layout,
    standard_layout,
)

NEEDED = [
    {"header": "Case", "column": "case_number"},
    {"header": "Amount", "column": "dispute_amount"},
    {"header": "Ccy", "column": "dispute_currency"},
]


def test_layout_says_columns_constants_and_how_values_are_written() -> None:
    layout = parse_layout(
        {
            "columns": [*NEEDED, {"header": "Issuer", "constant": "ACME"}],
            "delimiter": ";",
            "date_format": "YYYYMMDD",
            "amounts": "minor",
            "header": False,
            "quote_all": False,
        }
    )

    assert layout == DestinationLayout(
        (
            OutputColumn("Case", "case_number"),
            OutputColumn("Amount", "dispute_amount"),
            OutputColumn("Ccy", "dispute_currency"),
            OutputColumn("Issuer", None, "ACME"),
        ),
        delimiter=";",
        date_format="YYYYMMDD",
        amounts="minor",
        has_header=False,
        quotes_all=False,
    )
    assert (layout.place_of("dispute_amount"), layout.place_of("arn")) == (1, None)


def test_standard_layout_is_our_own_columns() -> None:
    layout = standard_layout()

    assert tuple(column.header for column in layout.columns) == columns_of(2)


@pytest.mark.parametrize(
    ("definition", "problem"),
    [
        ([], "it is no JSON object"),
        ({}, "columns must be a list"),
        ({"columns": NEEDED, "colour": "red"}, "unknown key 'colour'"),
        ({"columns": NEEDED[:2]}, "dispute_currency is missing"),
        ({"columns": [*NEEDED, {"header": "Case", "constant": ""}]}, "'Case' is there twice"),
        ({"columns": [*NEEDED, {"header": "X", "column": "pan"}]}, "column 4 names 'pan'"),
        ({"columns": [*NEEDED, {"header": "X"}]}, "either column or constant"),
        ({"columns": [*NEEDED, {"header": 1, "constant": ""}]}, "texts only"),
        ({"columns": [*NEEDED, {"header": "a\nb", "constant": ""}]}, "not printable"),
        ({"columns": [*NEEDED, "arn"]}, "must be an object"),
        ({"columns": NEEDED, "delimiter": "::"}, "delimiter must be one of"),
        ({"columns": NEEDED, "delimiter": ["a"]}, "delimiter must be one of"),
        ({"columns": NEEDED, "date_format": "%d"}, "date_format must be one of"),
        ({"columns": NEEDED, "amounts": "words"}, "amounts must be one of"),
        ({"columns": NEEDED, "header": "yes"}, "header must be true or false"),
    ],
)
def test_layout_that_cannot_be_used_is_refused_with_its_problem(
    definition: Any, problem: str
) -> None:
    with pytest.raises(InvalidLayoutError, match=problem):
        parse_layout(definition)
