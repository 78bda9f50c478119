"""One JSON record to names and text, exactly; number literals stay as they were written.

Belongs here: the slow, exact path, and which texts a record's values are.
"""

import json
import re
from collections.abc import Container, Mapping
from typing import Any, Final, TypeGuard

# A row nests a payment method or a list of items, which takes two levels.
MAX_DEPTH: Final = 32
METHODS: Final = ("payment_method", "paymentMethod")
NOT_TEXT: Final = re.compile(r"[\ud800-\udfff\0]")


class UnusableRecordError(ValueError):
    """A record is no object, or says one thing twice."""


class Number(str):
    """A number's literal, told apart from text."""

    __slots__ = ()


def fields(record: str) -> dict[str, Any]:
    """The record's names and values, numbers as `Number`, a nested payment method as two values.

    Raises ValueError or RecursionError where it is no object that can be read.
    """
    element = _DECODER.decode(record)
    if not isinstance(element, dict):
        raise UnusableRecordError("not an object")
    _check_depth(element)
    for name in METHODS:
        nested = element.get(name)
        if isinstance(nested, dict):
            del element[name]
            return {**element, **flat_method(nested, element)}
    return element


def flat_method(nested: Mapping[str, Any], others: Container[str]) -> dict[str, Any]:
    """A nested `payment_method: {type, provider}` as two values, beside the others of its record."""
    provider = {} if "provider" in others else {"provider": nested.get("provider")}
    return {"payment_method": nested.get("type"), **provider}


def nested_value(text: str) -> Any:
    """An object or list inside a record. Raises as `fields` does."""
    value = _DECODER.decode(text)
    _check_depth([value])
    return value


def text_of(value: Any) -> str | None:
    """A value as the text of a cell."""
    if value is None:
        return None
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False)


def is_text(value: str) -> bool:
    """Whether it is text that UTF-8 can hold, without a NUL."""
    return not NOT_TEXT.search(value)


def cleaned(text: str) -> str:
    """The text with what is none replaced."""
    return NOT_TEXT.sub("\ufffd", text)


def _check_depth(element: object) -> None:
    """Python versions differ in how deep they decode; the limit of a row does not."""
    level = [element]
    for _ in range(MAX_DEPTH):
        level = [
            value
            for values in level
            if _is_nested(values)
            for value in (values.values() if isinstance(values, dict) else values)
        ]
        if not level:
            return
    raise RecursionError(f"nested deeper than {MAX_DEPTH} levels")


def _is_nested(value: object) -> TypeGuard[dict[str, object] | list[object]]:
    return isinstance(value, dict | list)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise UnusableRecordError("a key stands there twice")
    return found


_DECODER: Final = json.JSONDecoder(
    parse_float=Number, parse_int=Number, parse_constant=Number, object_pairs_hook=_object
)
