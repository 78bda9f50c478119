"""Identifiers that users may share: how values are compared, which link nobody, what people see of them.

Belongs here: one value. Whole columns are normalised by cardops.adapters.warehouse.ring_columns, from
the same data tables; a property test compares the two.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final

from cardops.rules.data_tables import read_table

MAPPED_IPV4: Final = "::ffff:"
SHOWN_CHARACTERS: Final = 4
# A shorter value would be shown nearly whole.
MIN_SHOWN_LENGTH: Final = 3 * SHOWN_CHARACTERS


class IdentifierKind(StrEnum):
    """What may be shared. Never BIN and last four digits: strangers share those."""

    DEVICE = "device"
    CARD_TOKEN = "card_token"  # noqa: S105 - a kind, not a secret
    EMAIL = "email"
    IP_ADDRESS = "ip_address"


# Kind -> column of a transaction.
COLUMNS: Final[Mapping[IdentifierKind, str]] = {
    IdentifierKind.DEVICE: "device_id",
    IdentifierKind.CARD_TOKEN: "card_token",
    IdentifierKind.EMAIL: "email",
    IdentifierKind.IP_ADDRESS: "ip_address",
}


@dataclass(frozen=True, slots=True)
class EmailProvider:
    """How a provider tells mailboxes apart: the domain that it delivers to, and what it ignores."""

    mailbox_domain: str
    ignores_dots: bool
    ignores_tag: bool


@dataclass(frozen=True, slots=True)
class IgnoredValue:
    """A value, or the beginning of values, that identifies nobody."""

    kind: IdentifierKind
    value: str
    is_prefix: bool
    reason: str


@cache
def email_providers() -> Mapping[str, EmailProvider]:
    """Providers by domain."""
    return {
        row["domain"]: EmailProvider(
            row["mailbox_domain"], row["ignores_dots"] == "yes", row["ignores_tag"] == "yes"
        )
        for row in read_table("email_providers")
    }


@cache
def ignored_values() -> tuple[IgnoredValue, ...]:
    """Placeholders and addresses of no one."""
    return tuple(
        IgnoredValue(
            IdentifierKind(row["kind"]), row["value"], row["match"] == "prefix", row["reason"]
        )
        for row in read_table("ring_ignored_values")
    )


def normalised(kind: IdentifierKind, value: str | None) -> str | None:
    """The value as it is compared; None where it is absent or empty.

    Tokens keep their case, which may carry meaning; everything else has none.
    """
    text = (value or "").strip(" ")
    if kind is not IdentifierKind.CARD_TOKEN:
        text = text.lower()
    if kind is IdentifierKind.EMAIL:
        text = _mailbox(text)
    if kind is IdentifierKind.IP_ADDRESS and "." in text:
        text = text.removeprefix(MAPPED_IPV4)
    return text or None


def _mailbox(address: str) -> str:
    """The address under which the provider delivers it."""
    local, at, domain = address.partition("@")
    provider = email_providers().get(domain)
    if not at or provider is None:
        return address
    if provider.ignores_tag:
        local = local.partition("+")[0]
    if provider.ignores_dots:
        local = local.replace(".", "")
    return f"{local}@{provider.mailbox_domain}"


def reason_to_ignore(kind: IdentifierKind, value: str) -> str | None:
    """Why a normalised value links nobody however few show it; None where it may link."""
    compared = value.lower()
    for ignored in ignored_values():
        is_meant = compared.startswith if ignored.is_prefix else compared.__eq__
        if ignored.kind is kind and is_meant(ignored.value):
            return ignored.reason
    return None


def masked(kind: IdentifierKind, value: str) -> str:
    """What people see of a normalised value: enough to recognise it beside the source, no more."""
    if kind is IdentifierKind.EMAIL:
        local, at, domain = value.partition("@")
        return f"{local[:1]}***@{domain}" if at else "***"
    if kind is IdentifierKind.IP_ADDRESS:
        separator = ":" if ":" in value else "."
        first, second, *_ = [*value.split(separator), ""]
        return f"{first}{separator}{second}{separator}***"
    shown = value[-SHOWN_CHARACTERS:] if len(value) >= MIN_SHOWN_LENGTH else ""
    return f"***{shown}"
