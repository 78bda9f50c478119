"""Identifiers of whole columns, normalised as cardops.rules.fraud.identifiers has it for one value."""

import re
from collections.abc import Sequence
from functools import cache
from typing import Final

import polars as pl

from cardops.rules.fraud.identifiers import (
    COLUMNS,
    MAPPED_IPV4,
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
    is_mapped = addresses.str.starts_with(MAPPED_IPV4) & addresses.str.contains(".", literal=True)
    if not is_mapped.fill_null(value=False).any():
        return addresses
    plain = addresses.str.strip_prefix(MAPPED_IPV4)
    return plain.zip_with(is_mapped.fill_null(value=False), addresses)


def _mailboxes(addresses: pl.Series) -> pl.Series:
    """Addresses at providers that deliver several spellings to one mailbox, in one spelling."""
    is_known = addresses.str.contains_any(_endings()).fill_null(value=False)
    if not is_known.any():
        return addresses
    known = addresses.filter(is_known)
    return addresses.scatter(is_known.arg_true(), _delivered(known))


@cache
def _endings() -> list[str]:
    return [f"@{domain}" for domain in email_providers()]


def _delivered(addresses: pl.Series) -> pl.Series:
    """Local part and domain are what is before and after the first `@`."""
    providers = email_providers()
    parts = (
        addresses.str.splitn("@", 2)
        .struct.unnest()
        .rename({"field_0": "local", "field_1": "domain"})
    )
    local, domain = pl.col("local"), pl.col("domain")

    def belongs(names: Sequence[str]) -> pl.Expr:
        return domain.is_in(names)

    tagged = [name for name, provider in providers.items() if provider.ignores_tag]
    dotted = [name for name, provider in providers.items() if provider.ignores_dots]
    untagged = pl.when(belongs(tagged)).then(local.str.splitn("+", 2).struct[0]).otherwise(local)
    plain = (
        pl.when(belongs(dotted))
        .then(untagged.str.replace_all(".", "", literal=True))
        .otherwise(untagged)
    )
    boxes = {name: provider.mailbox_domain for name, provider in providers.items()}
    return parts.select(pl.concat_str(plain, pl.lit("@"), domain.replace(boxes))).to_series()


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
