"""Decode and validate request bodies: exact amounts, no repeated keys, only storable text.

The decoder alone accepts repeated keys (the last one wins), exponents, NUL characters
and integers that other readers round (store-and-authorization.md, Traps).
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final, NoReturn, TypeVar

import msgspec

from authorizer.api.problems import ProblemError, invalid
from authorizer.api.schemas import AuthorizationBody
from cardops.rules.authorizations.actions import amount_problem_text
from cardops.rules.card_numbers import is_card_number, mask_card_numbers
from cardops.rules.currencies import EXPONENTS
from cardops.rules.intake.files import ID_PATTERN
from cardops.rules.money import MAX_AMOUNT_MINOR, AmountProblem, parse_amount

MAX_METADATA_DEPTH: Final = 8

BodyT = TypeVar("BodyT", bound=msgspec.Struct)

_ID = re.compile(ID_PATTERN)
_AT_FIELD = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<field>.*)`)?$", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# By type: its decoder, and the number of its required members.
_decoders: dict[type[msgspec.Struct], tuple[msgspec.json.Decoder[Any], int]] = {}


def decode(body: bytes, kind: type[BodyT]) -> BodyT:
    """The body as its type. Raises ProblemError (422) for anything else."""
    decoder, required_count = _decoders.get(kind) or _add_decoder(kind)
    try:
        value: BodyT = decoder.decode(body)
        # Every key has a colon: with no more colons than distinct keys, no key is repeated. A body
        # that decodes has all required members, and usually no other.
        colon_count = body.count(b":")
        if colon_count > required_count and colon_count > _key_count(value):
            _refuse_repeated_keys(body)
    except msgspec.ValidationError as error:
        _refuse(str(error))
    except RecursionError:
        raise ProblemError("invalid-request", "The body is nested too deeply.") from None
    except (msgspec.DecodeError, ValueError):
        raise ProblemError("invalid-request", "The body is not well-formed JSON.") from None
    return value


def _add_decoder(kind: type[msgspec.Struct]) -> tuple[msgspec.json.Decoder[Any], int]:
    required_count = sum(field.required for field in msgspec.structs.fields(kind))
    _decoders[kind] = (msgspec.json.Decoder(kind), required_count)
    return _decoders[kind]


def checked_id(field: str, value: str) -> str:
    """A valid id, `[A-Za-z0-9_.:-]{1,64}`. Raises ProblemError (422)."""
    if is_id(value):
        return value
    raise invalid(field, "must be 1 to 64 letters, digits or _.:- and not just . or ..")


def is_id(value: str) -> bool:
    """Whether the value is a valid id."""
    return _ID.fullmatch(value) is not None and value not in {".", ".."}


def checked_currency(value: str) -> str:
    """A supported ISO 4217 code. Raises ProblemError (422)."""
    if value in EXPONENTS:
        return value
    raise invalid("currency", "must be an upper-case ISO 4217 code such as USD")


def amount_text(raw: msgspec.Raw) -> str | None:
    """The digits of a JSON number or decimal string exactly as sent; None for null."""
    text = bytes(raw).strip()
    try:
        if text == b"null":
            return None
        return msgspec.json.decode(text, type=str) if text[:1] == b'"' else text.decode("ascii")
    except (msgspec.MsgspecError, ValueError):
        raise invalid("amount", amount_problem_text(AmountProblem.INVALID_AMOUNT, "")) from None


def checked_amount(raw: msgspec.Raw, currency: str) -> int:
    """The amount in minor units of the currency. Raises ProblemError (422)."""
    amount = parse_amount(amount_text(raw) or "", currency)
    if isinstance(amount, AmountProblem):
        raise invalid("amount", amount_problem_text(amount, currency))
    return amount


def details_of(body: AuthorizationBody) -> dict[str, object] | None:
    """Merchant, channel and metadata as they are stored; None if the body has none of them."""
    if body.merchant is None and body.channel is None and not body.metadata:
        return None
    details: dict[str, object] = {}
    if body.merchant is not None:
        merchant = {
            name: value for name, value in msgspec.structs.asdict(body.merchant).items() if value
        }
        _refuse_unstorable("merchant", merchant, 0)
        if merchant:
            details["merchant"] = merchant
    if body.channel is not None:
        _refuse_unstorable("channel", body.channel, 0)
        details["channel"] = body.channel
    if body.metadata:
        _refuse_unstorable("metadata", body.metadata, 0)
        details["metadata"] = body.metadata
    return details or None


def with_masked_card_numbers(value: Any) -> Any:
    """The same JSON value with every card number masked, in keys, strings and numbers.

    Raises ProblemError (422) if two keys of one object are equal once masked: one of their values
    would be lost.
    """
    if isinstance(value, Mapping):
        masked = {
            mask_card_numbers(key): with_masked_card_numbers(member)
            for key, member in value.items()
        }
        if len(masked) < len(value):
            raise invalid("metadata", "has two keys that differ only in a card number")
        return masked
    if isinstance(value, list):
        return [with_masked_card_numbers(member) for member in value]
    if isinstance(value, str):
        return mask_card_numbers(value)
    if isinstance(value, float) and _is_card_number(int(value)):
        # The fraction is dropped: a card number has none.
        return mask_card_numbers(str(int(value)))
    if isinstance(value, int) and _is_card_number(value):
        return mask_card_numbers(str(value))
    return value


def _is_card_number(number: int) -> bool:
    return is_card_number(str(abs(number)))


def _refuse_unstorable(field: str, value: object, depth: int) -> None:
    """Raises ProblemError (422) for values that PostgreSQL or a JSON reader cannot store exactly."""
    if depth > MAX_METADATA_DEPTH:
        raise invalid(field, f"is nested deeper than {MAX_METADATA_DEPTH} levels")
    if isinstance(value, str) and _CONTROL.search(value) and (field != "metadata" or "\0" in value):
        raise invalid(field, "contains a control character")
    if isinstance(value, int) and abs(value) > MAX_AMOUNT_MINOR:
        raise invalid(field, "contains an integer beyond 2^53 - 1; send it as a string")
    if isinstance(value, Mapping):
        for key, member in value.items():
            _refuse_unstorable(field, key, depth + 1)
            _refuse_unstorable(field, member, depth + 1)
    elif isinstance(value, list):
        for member in value:
            _refuse_unstorable(field, member, depth + 1)


def _key_count(value: msgspec.Struct) -> int:
    """At least how many distinct keys the body has: its top-level members that are not null."""
    return sum(getattr(value, name) is not None for name in value.__struct_fields__)


def _refuse_repeated_keys(body: bytes) -> None:
    # Numbers stay strings: converting a number of thousands of digits is quadratic.
    json.loads(body.decode(), object_pairs_hook=_without_repeats, parse_int=str, parse_float=str)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ProblemError("invalid-request", "An object in the body repeats a key.")
    return members


def _refuse(message: str) -> NoReturn:
    """Raises the decoder's message as a problem; it names fields and types, never values."""
    match = _AT_FIELD.match(message)
    field = (match["field"] if match else "") or "body"
    if missing := re.search(r"missing required field `([^`]*)`", message):
        field = missing[1]
    if unknown := re.search(r"unknown field `([^`]*)`", message):
        field = unknown[1]
    what = match["what"] if match else message
    raise invalid(field[:100], f"is invalid: {what[:200]}") from None
