"""A mapping as a value: what one sender's files of one kind look like, and its checked JSON form.

Belongs here: which definitions are usable by themselves. Whether their columns exist is checked
against the contract, in cardops.contracts.reading.mapped.
"""

import codecs
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cardops.rules.errors import ExplainedError
from cardops.rules.mappings.amounts import DECIMAL_SIGNS, SEPARATORS, AmountFormat, Grouping, Sign
from cardops.rules.mappings.dates import DateFormat, ambiguity

MAX_SKIPPED_ROWS: Final = 1_000
MAX_DATE_FORMATS: Final = 4
MAX_NAMES: Final = 1_000
# Encodings by Python's own names: each has one text for one sequence of bytes.
ENCODINGS: Final = (
    "utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "ascii",
    *(f"cp{number}" for number in (437, 850, 852, 858, 866, 874, *range(1250, 1259))),
    *(f"iso8859-{number}" for number in (*range(1, 12), *range(13, 17))),
    "mac-roman", "koi8-r", "koi8-u", "cp932", "shift_jis", "euc_jp", "gbk", "gb18030", "big5",
    "euc_kr", "cp949",
)  # fmt: skip
REPEATED_HOURS: Final = ("refuse", "earlier", "later")
_TIME_OF_DAY: Final = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?")
_KEYS: Final = (
    "delimiter", "encoding", "header", "skip_rows", "sheet", "columns", "ignore", "constants",
    "values", "decimal", "thousands", "grouping", "sign", "minor_units", "affixes",
    "debit_credit", "direction", "date_formats", "time_zone", "repeated_hour", "time_of_day",
)  # fmt: skip


class MappingRefusedError(ExplainedError):
    """A definition cannot be used; the message is one sentence for the person."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"The mapping cannot be used: {problem}. Nothing was stored; mend it.")


@dataclass(frozen=True, slots=True)
class DebitCredit:
    """An amount in two columns, of which one is filled: their names in the sender's file."""

    credit: str
    debit: str


@dataclass(frozen=True, slots=True)
class Direction:
    """A column that says whether the row's amounts are credits or debits, by these words."""

    column: str
    credit: tuple[str, ...]
    debit: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FileMapping:
    """How a sender's files of one kind differ from the contract. Without arguments: not at all.

    `columns`: the sender's name -> ours. `ignored`: names of theirs that serve no column.
    `values`: our column -> the sender's word -> ours. `time_zone`: of instants without an offset.
    `repeated_hour`: which of two instants is meant when clocks are set back. `time_of_day`: of a
    date alone in a column of instants, in `time_zone`.
    """

    delimiter: str = ","
    encoding: str = "utf-8"
    has_header: bool = True
    skip_rows: int = 0
    sheet: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    constants: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    amounts: AmountFormat = field(default_factory=AmountFormat)
    debit_credit: Mapping[str, DebitCredit] = field(default_factory=dict)
    direction: Direction | None = None
    date_formats: tuple[DateFormat, ...] = ()
    time_zone: str | None = None
    repeated_hour: str = "refuse"
    time_of_day: str | None = None


STRICT: Final = FileMapping()
# The helping column of a mapping's `direction`.
DIRECTION: Final = "side of amounts"


def normalised_name(name: str) -> str:
    """The form in which names of columns are compared."""
    return name.strip(" \t\ufeff").lower()


def mapping_of(definition: Mapping[str, Any]) -> FileMapping:
    """The mapping of a JSON object. Raises MappingRefusedError."""
    unknown = [key for key in definition if key not in _KEYS]
    if unknown:
        raise MappingRefusedError(f"{unknown[0]!r} is none of {', '.join(_KEYS)}")
    mapping = FileMapping(
        delimiter=_text(definition, "delimiter", ","),
        encoding=_encoding(_text(definition, "encoding", "utf-8")),
        has_header=_flag(definition, "header", default=True),
        skip_rows=_number(definition, "skip_rows"),
        sheet=_text(definition, "sheet", "") or None,
        columns=_texts(definition, "columns"),
        ignored=_list(definition, "ignore"),
        constants=_texts(definition, "constants"),
        values={
            column: _texts(_object(definition, "values"), column)
            for column in _object(definition, "values")
        },
        amounts=_amounts(definition),
        debit_credit={
            column: DebitCredit(**_exactly(pair, "debit_credit", ("credit", "debit")))
            for column, pair in _object(definition, "debit_credit").items()
        },
        direction=_direction(definition),
        date_formats=tuple(map(DateFormat, _list(definition, "date_formats"))),
        time_zone=_text(definition, "time_zone", "") or None,
        repeated_hour=_text(definition, "repeated_hour", "refuse"),
        time_of_day=_text(definition, "time_of_day", "") or None,
    )
    for check in _CHECKS:
        check(mapping)
    return mapping


def definition_of(mapping: FileMapping) -> dict[str, Any]:
    """The JSON object of a mapping, without what is as in the contract; equal ones are equal."""
    amounts = mapping.amounts
    direction = mapping.direction
    whole = {
        "delimiter": mapping.delimiter,
        "encoding": mapping.encoding,
        "header": mapping.has_header,
        "skip_rows": mapping.skip_rows,
        "sheet": mapping.sheet,
        "columns": dict(mapping.columns),
        "ignore": list(mapping.ignored),
        "constants": dict(mapping.constants),
        "values": {column: dict(words) for column, words in mapping.values.items()},
        "decimal": amounts.decimal,
        "thousands": amounts.thousands,
        "grouping": str(amounts.grouping),
        "sign": str(amounts.sign),
        "minor_units": amounts.is_minor,
        "affixes": list(amounts.affixes),
        "debit_credit": {
            column: {"credit": pair.credit, "debit": pair.debit}
            for column, pair in mapping.debit_credit.items()
        },
        "direction": direction
        and {
            "column": direction.column,
            "credit": list(direction.credit),
            "debit": list(direction.debit),
        },
        "date_formats": [date_format.text for date_format in mapping.date_formats],
        "time_zone": mapping.time_zone,
        "repeated_hour": mapping.repeated_hour,
        "time_of_day": mapping.time_of_day,
    }
    return {key: value for key, value in whole.items() if value != _AS_IN_CONTRACT[key]}


_AS_IN_CONTRACT: Final[Mapping[str, Any]] = {
    **dict.fromkeys(_KEYS),
    "delimiter": ",", "encoding": "utf-8", "header": True, "skip_rows": 0, "columns": {},
    "ignore": [], "constants": {}, "values": {}, "decimal": ".", "thousands": "",
    "grouping": "three", "sign": "unsigned", "minor_units": False, "affixes": [],
    "debit_credit": {}, "date_formats": [], "repeated_hour": "refuse",
}  # fmt: skip


def _check_format(mapping: FileMapping) -> None:
    if not re.fullmatch(r"[\t!#$%&*,/:;|~^]", mapping.delimiter):
        raise MappingRefusedError(
            f"the delimiter {mapping.delimiter!r} is not one of comma, semicolon, tab, | : ; ! # $ % & "
            "* / ~ ^, each alone"
        )
    if not 0 <= mapping.skip_rows <= MAX_SKIPPED_ROWS:
        raise MappingRefusedError(f"skip_rows is not between 0 and {MAX_SKIPPED_ROWS}")


def _check_names(mapping: FileMapping) -> None:
    names = [normalised_name(theirs) for theirs in theirs_by_role(mapping).values()]
    for name in {*names, *map(normalised_name, mapping.ignored)}:
        if not name:
            raise MappingRefusedError("it names a column of the sender by an empty name")
    for name in names:
        if names.count(name) > 1:
            raise MappingRefusedError(f"it uses the sender's column {name!r} twice")
        if name in map(normalised_name, mapping.ignored):
            raise MappingRefusedError(f"it both uses and ignores the sender's column {name!r}")
        if not mapping.has_header and not re.fullmatch("[1-9][0-9]{0,3}", name):
            raise MappingRefusedError(
                f"{name!r} is no position of a column (1, 2, …), which a file without a header needs"
            )


def _check_columns(mapping: FileMapping) -> None:
    ours = [*mapping.columns.values(), *mapping.debit_credit, *mapping.constants]
    for column in ours:
        if ours.count(column) > 1:
            raise MappingRefusedError(
                f"it fills {column} twice: from a column, a pair of columns, or a constant"
            )
    if any(not value.strip() for value in mapping.constants.values()):
        raise MappingRefusedError("a constant is empty; leave it out")


def credit_role(column: str) -> str:
    """The helping column that holds a column's credits."""
    return f"{column} credit"


def debit_role(column: str) -> str:
    """The helping column that holds a column's debits."""
    return f"{column} debit"


def theirs_by_role(mapping: FileMapping) -> dict[str, str]:
    """What each of the sender's columns is read as -> its name: our columns, and helping ones."""
    roles = {ours: theirs for theirs, ours in mapping.columns.items()}
    if len(roles) != len(mapping.columns):
        raise MappingRefusedError("it reads two of the sender's columns as the same one of ours")
    for column, pair in mapping.debit_credit.items():
        roles |= {credit_role(column): pair.credit, debit_role(column): pair.debit}
    if mapping.direction:
        roles[DIRECTION] = mapping.direction.column
    return roles


def _check_amounts(mapping: FileMapping) -> None:
    amounts = mapping.amounts
    if amounts.decimal not in DECIMAL_SIGNS:
        raise MappingRefusedError(f"decimal {amounts.decimal!r} is neither '.' nor ','")
    if amounts.thousands not in SEPARATORS:
        raise MappingRefusedError(f"thousands {amounts.thousands!r} is no known separator")
    if amounts.thousands == amounts.decimal:
        raise MappingRefusedError(
            f"decimal and thousands are both {amounts.decimal!r}, so 1{amounts.decimal}234 could be "
            "either; say which sign ends the whole units"
        )


def _check_sides(mapping: FileMapping) -> None:
    for affix in mapping.amounts.affixes:
        if not affix.strip() or re.search(r"[0-9.,+()?\u2212'-]", affix):
            raise MappingRefusedError(
                f"the affix {affix!r} is empty or has a digit, sign or separator in it"
            )
    if mapping.direction and mapping.debit_credit:
        raise MappingRefusedError("it has both direction and debit_credit; one says the side")
    if mapping.direction:
        credit = {word.strip() for word in mapping.direction.credit}
        debit = {word.strip() for word in mapping.direction.debit}
        if not credit and not debit:
            raise MappingRefusedError("direction has no words for credit or debit")
        if credit & debit:
            raise MappingRefusedError(f"{min(credit & debit)!r} is both credit and debit")


def _check_times(mapping: FileMapping) -> None:
    if len(mapping.date_formats) > MAX_DATE_FORMATS:
        raise MappingRefusedError(f"it has more than {MAX_DATE_FORMATS} date_formats")
    for date_format in mapping.date_formats:
        if date_format.problem:
            raise MappingRefusedError(f"the date format {date_format.text!r} {date_format.problem}")
    text = ambiguity(mapping.date_formats)
    if text:
        raise MappingRefusedError(
            f"{text!r} is a different day in two of its date_formats, so it could be either; keep the "
            "one that the sender uses"
        )
    if mapping.repeated_hour not in REPEATED_HOURS:
        raise MappingRefusedError(f"repeated_hour is none of {', '.join(REPEATED_HOURS)}")
    if mapping.time_of_day and not _TIME_OF_DAY.fullmatch(mapping.time_of_day):
        raise MappingRefusedError(f"time_of_day {mapping.time_of_day!r} is not like 00:00")


_CHECKS: Final = (
    _check_format, _check_names, _check_columns, _check_amounts, _check_sides, _check_times,
)  # fmt: skip


def _encoding(name: str) -> str:
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        found = ""
    if found == "utf-8-sig":
        return "utf-8"  # a byte order mark is always tolerated
    known = {codecs.lookup(encoding).name for encoding in ENCODINGS}
    if found not in known:
        raise MappingRefusedError(
            f"the encoding {name!r} is not known; cp1252, latin-1 and utf-16 are usual ones"
        )
    return found


def _amounts(definition: Mapping[str, Any]) -> AmountFormat:
    return AmountFormat(
        decimal=_text(definition, "decimal", "."),
        thousands=_text(definition, "thousands", ""),
        grouping=_one_of(definition, "grouping", Grouping, Grouping.THREE),
        sign=_one_of(definition, "sign", Sign, Sign.UNSIGNED),
        is_minor=_flag(definition, "minor_units", default=False),
        affixes=_list(definition, "affixes"),
    )


def _direction(definition: Mapping[str, Any]) -> Direction | None:
    values = _object(definition, "direction")
    if not values:
        return None
    if set(values) - {"column", "credit", "debit"} or "column" not in values:
        raise MappingRefusedError("direction needs column, credit and debit, and nothing else")
    return Direction(_text(values, "column", ""), _list(values, "credit"), _list(values, "debit"))


def _one_of(definition: Mapping[str, Any], key: str, values: Any, default: Any) -> Any:
    text = _text(definition, key, str(default))
    if text not in set(values):
        raise MappingRefusedError(f"{key} {text!r} is none of {', '.join(values)}")
    return values(text)


def _text(definition: Mapping[str, Any], key: str, default: str) -> str:
    value = definition.get(key)
    if value is None:
        return default
    if not isinstance(value, str) or "\0" in value or "\n" in value:
        raise MappingRefusedError(f"{key} is not a text of one line")
    return value


def _flag(definition: Mapping[str, Any], key: str, *, default: bool) -> bool:
    value = definition.get(key, default)
    if not isinstance(value, bool):
        raise MappingRefusedError(f"{key} is neither true nor false")
    return value


def _number(definition: Mapping[str, Any], key: str) -> int:
    value = definition.get(key, 0)
    if not isinstance(value, int) or isinstance(value, bool):
        raise MappingRefusedError(f"{key} is no whole number")
    return value


def _list(definition: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = definition.get(key)
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) > MAX_NAMES:
        raise MappingRefusedError(f"{key} is not a list of at most {MAX_NAMES} texts")
    return tuple(_text({key: text}, key, "") for text in value)


def _object(definition: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = definition.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping) or len(value) > MAX_NAMES:
        raise MappingRefusedError(f"{key} is not an object of at most {MAX_NAMES} names")
    return value


def _texts(definition: Mapping[str, Any], key: str) -> dict[str, str]:
    return {name: _text({key: value}, key, "") for name, value in _object(definition, key).items()}


def _exactly(value: Any, key: str, names: tuple[str, ...]) -> dict[str, str]:
    if not isinstance(value, Mapping) or set(value) != set(names):
        raise MappingRefusedError(f"each of {key} needs {' and '.join(names)}, and nothing else")
    return {name: _text(value, name, "") for name in names}
