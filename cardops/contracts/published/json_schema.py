"""A contract as JSON Schema (draft 2020-12), for a row in JSON.

Belongs here: what a schema can say of one row. `x-cardops` says it again column by column, so that
two versions can be compared. What no schema can say is in the schema's description.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import pandera.polars as pa

from cardops.contracts.columns.times import DAY_OR_INSTANT_PATTERN, INSTANT_PATTERN
from cardops.contracts.judging.judging import flags_of, reasons_of
from cardops.contracts.kinds.contract import Contract
from cardops.contracts.kinds.profile import KindProfile
from cardops.contracts.reading.source import FORMATS
from cardops.rules.currencies import EXPONENTS
from cardops.rules.intake.files import ID_PATTERN

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
ANNOTATION: Final = "x-cardops"
_ID: Final = rf"^(?!\.{{1,2}}$){ID_PATTERN}$"
# At least one digit is not zero: an amount is positive.
_AMOUNT: Final = r"^(?=.*[1-9])[0-9]+(\.[0-9]+)?$"
_BALANCE: Final = r"^-?[0-9]+(\.[0-9]+)?$"
# What an amount of each type may begin with.
_SIGNS: Final = {"amount": "", "balance": "-?"}
_ANY_TIME: Final = datetime(2000, 1, 1, tzinfo=UTC)
_NOTES: Final = (
    "Cardops also accepts what this schema refuses: spaces and tabs around a value, names in any "
    "case, and names of no column, which are kept aside. It also refuses what this schema cannot "
    "describe: days that no calendar has, instants more than 24 hours ahead, amounts above "
    "2^53 - 1 minor units, fraction digits of a JSON number or of an amount whose currency is not "
    "in the row, a key or a column given under two of its names, and all that depends on other "
    "rows, such as the same id with other content. A number is read digit by digit as written."
)


def schema_of(profile: KindProfile) -> dict[str, Any]:
    """The schema of one row of the kind, under the contract's current version."""
    contract = profile.contract
    columns = dict(_columns(contract))
    return {
        "$schema": DIALECT,
        "$id": f"urn:cardops:contract:{contract.kind}:{contract.version}",
        "title": f"One row of {contract.kind}, version {contract.version} of the contract",
        "description": _NOTES,
        "type": "object",
        "properties": {
            name: {"description": column["meaning"], **_value(column)}
            # A name of two columns is described as the first of them.
            for column in reversed(columns.values())
            for name in column["names"]
        },
        "allOf": [*_required(columns), *_digits(columns)],
        "$defs": {"currency": {"pattern": _one_of(EXPONENTS), "type": "string"}},
        ANNOTATION: {
            "kind": contract.kind,
            "version": contract.version,
            "columns": columns,
            "currencies": {code: EXPONENTS[code] for code in sorted(EXPONENTS)},
            "formats": list(FORMATS),
            "reports": [importer.name for importer in contract.importers],
            "reasons": [str(reason) for reason in reasons_of(profile, _ANY_TIME)],
            "flags": [str(flag) for flag in flags_of(profile)],
        },
    }


def _columns(contract: Contract) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, column in contract.model.to_schema().columns.items():
        names = [name, *contract.aliases.get(name, ())]
        yield (
            name,
            {
                "meaning": column.description,
                "required": not column.nullable,
                "names": list(dict.fromkeys(form for own in names for form in (own, _camel(own)))),
                **(_BALANCE_TYPE if name in contract.balances else _type(column)),
            },
        )


# Their currency is that of their row, as in the kind's judge.
_BALANCE_TYPE: Final = {"type": "balance", "pattern": _BALANCE, "currency": "currency"}


def _type(column: pa.Column) -> dict[str, Any]:
    metadata = column.metadata or {}
    form = {"json_form": metadata["json_form"]} if "json_form" in metadata else {}
    if not column.checks:
        return {"type": "text", **form}
    check = column.checks[0]
    values = check.statistics or {}
    match check.name:
        case "is_id":
            return {"type": "id", "pattern": _ID}
        case "is_amount":
            return {"type": "amount", "pattern": _AMOUNT, "currency": values["currency"]}
        case "is_currency":
            return {"type": "currency"}
        case "is_instant":
            is_day_allowed = values["is_day_allowed"]
            return {
                "type": "date" if is_day_allowed else "instant",
                "pattern": DAY_OR_INSTANT_PATTERN if is_day_allowed else INSTANT_PATTERN,
                "may_be_ahead": bool(metadata.get("may_be_ahead")),
            }
        case _:
            return {"type": "choice", "values": list(values["allowed_values"])}


def _value(column: Mapping[str, Any]) -> dict[str, Any]:
    present = _present(column)
    if column["required"]:
        # An empty text is a missing one.
        return {**present, "minLength": 1} if column["type"] == "text" else present
    return {"anyOf": [present, {"enum": ["", None]}]}


def _present(column: Mapping[str, Any]) -> dict[str, Any]:
    match column["type"]:
        case "id":
            return {"type": ["string", "integer"], "pattern": column["pattern"]}
        case "amount" | "balance" as money:
            above_zero = {"exclusiveMinimum": 0} if money == "amount" else {}
            return {"type": ["string", "number"], "pattern": column["pattern"], **above_zero}
        case "currency":
            return {"$ref": "#/$defs/currency"}
        case "choice":
            return {"enum": column["values"]}
        case "text":
            text: dict[str, Any] = {"type": ["string", "number", "boolean"]}
            return {"anyOf": [text, column["json_form"]]} if "json_form" in column else text
        case _:
            return {"type": "string", "pattern": column["pattern"]}


def _required(columns: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each required column under one of its names."""
    return [
        {"anyOf": [{"required": [name]} for name in column["names"]]}
        for column in columns.values()
        if column["required"]
    ]


def _digits(columns: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """At most the currency's fraction digits, in text."""
    rules = []
    kinds_of_money = dict.fromkeys(
        (column["currency"], column["type"]) for column in columns.values() if "currency" in column
    )
    for currency, money in kinds_of_money:
        names = [
            name
            for column in columns.values()
            if (column.get("currency"), column["type"]) == (currency, money)
            for name in column["names"]
        ]
        for exponent in sorted(set(EXPONENTS.values())):
            codes = [code for code, digits in EXPONENTS.items() if digits == exponent]
            fraction = rf"(\.[0-9]{{1,{exponent}}})?" if exponent else ""
            digits = {"pattern": f"^{_SIGNS[money]}[0-9]*{fraction}$"}
            rules.append(
                {
                    "if": {
                        "properties": {currency: {"pattern": _one_of(codes), "type": "string"}},
                        "required": [currency],
                    },
                    "then": {"properties": dict.fromkeys(names, digits)},
                }
            )
    return rules


def _one_of(codes: Iterable[str]) -> str:
    return f"^(?:{'|'.join(sorted(codes))})$"


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
