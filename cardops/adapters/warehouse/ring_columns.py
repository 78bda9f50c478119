"""Identifiers of whole columns, normalised as cardops.rules.fraud.identifiers has it for one value."""

import re
from functools import cache
from typing import Final

import polars as pl

from cardops.rules.fraud.identifiers import (
    COLUMNS,
    MAPPED_IPV4,
    EmailProvider,
    IdentifierKind,
    email_providers,
    ignored_values,
    reason_to_ignore,
)

SPACE: Final = " "


def normalised_column(kind: IdentifierKind) -> pl.Expr:
    """A transaction's identifier of that kind as it is compared; null or empty where it is absent."""
    text = pl.col(COLUMNS[kind]).str.strip_chars(SPACE)
    if kind is not IdentifierKind.CARD_TOKEN:
        text = text.str.to_lowercase()
    if kind is IdentifierKind.EMAIL:
        text = text.map_batches(_mailboxes, return_dtype=pl.String, is_elementwise=True)
    if kind is IdentifierKind.IP_ADDRESS:
        text = text.map_batches(_ipv4, return_dtype=pl.String, is_elementwise=True)
    return text.alias(kind.value)


def _ipv4(addresses: pl.Series) -> pl.Series:
    """IPv4 addresses in IPv6 form, which are rare, as IPv4."""
    is_mapped = addresses.str.starts_with(MAPPED_IPV4)
    if not is_mapped.any():
        return addresses
    is_mapped = (is_mapped & addresses.str.contains(".", literal=True)).fill_null(value=False)
    plain = addresses.str.strip_prefix(MAPPED_IPV4)
    return plain.zip_with(is_mapped, addresses)


def _mailboxes(addresses: pl.Series) -> pl.Series:
    """Addresses at providers that deliver several spellings to one mailbox, in one spelling."""
    rows = addresses.str.contains_any(_endings()).arg_true()
    mailboxes = addresses.clone()
    for domain, provider in email_providers().items():
        if rows.is_empty():
            break
        remaining = addresses.gather(rows)
        is_here = remaining.str.ends_with(f"@{domain}")
        if not is_here.any():
            continue
        delivered = _delivered(remaining.filter(is_here), domain, provider)
        mailboxes = mailboxes.scatter(rows.filter(is_here), delivered)
        rows = rows.filter(~is_here)
    return mailboxes


@cache
def _endings() -> list[str]:
    return [f"@{domain}" for domain in email_providers()]


def _delivered(addresses: pl.Series, domain: str, provider: EmailProvider) -> pl.Series:
    """Addresses that end with `@` and the domain, as the provider delivers them.

    The domain of an address is what follows its first `@`, so one with another `@` is not the provider's.
    """
    local = addresses.str.strip_suffix(f"@{domain}")
    plain = local
    is_special = local.str.contains_any(["+", "@"]).any()
    if provider.ignores_tag and is_special:
        plain = plain.str.splitn("+", 2).struct.field("field_0")
    if provider.ignores_dots:
        plain = plain.str.replace_all(".", "", literal=True)
    delivered = plain + f"@{provider.mailbox_domain}"
    if not is_special:
        return delivered
    return addresses.zip_with(local.str.contains("@", literal=True), delivered)


def with_reason_to_ignore(identifiers: pl.DataFrame) -> pl.DataFrame:
    """Adds `ignored`: why the value links nobody, or null. `identifier_kind`, `value` are columns."""
    is_suspected = pl.any_horizontal(
        (pl.col("identifier_kind") == kind.value) & pl.col("value").str.contains(_ignored(kind))
        for kind in IdentifierKind
    )
    found = identifiers.filter(is_suspected).select("identifier_kind", "value").unique()
    reasons = [reason_to_ignore(IdentifierKind(kind), value) for kind, value in found.iter_rows()]
    listed = found.with_columns(ignored=pl.Series(reasons, dtype=pl.String))
    return identifiers.join(listed, on=["identifier_kind", "value"], how="left")


@cache
def _ignored(kind: IdentifierKind) -> str:
    """A pattern of every value of the kind that is ignored."""
    values = [
        re.escape(ignored.value) + ("" if ignored.is_prefix else "$")
        for ignored in ignored_values()
        if ignored.kind is kind
    ]
    return f"^(?i:{'|'.join(values)})"
