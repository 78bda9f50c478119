"""A sender's amounts as whole columns; cardops.rules.mappings.amounts is the scalar oracle in tests.

Belongs here: the sender's digits and signs to the contract's decimal text. No float, no rounding.
"""

from typing import Final

import polars as pl

from cardops.contracts.columns.money import decimal_text
from cardops.rules.mappings.amounts import UNREADABLE, AmountFormat, Sign
from cardops.rules.mappings.mapping import Direction

# What stands in the other of two columns: nothing, or a nought.
_NOUGHT: Final = "^[-+0.,' ]*$"


def contract_amount(
    text: pl.Expr, amounts: AmountFormat, currency: pl.Expr, is_debit: pl.Expr
) -> pl.Expr:
    """The contract's text; what does not match, or contradicts itself, begins with UNREADABLE.

    `is_debit` is null where the side is not known.
    """
    parts = text.str.extract_groups(amounts.pattern)
    whole = parts.struct.field("whole")
    if amounts.thousands:
        whole = whole.str.replace_all(amounts.thousands, "", literal=True)
    if amounts.is_minor:
        units = decimal_text(whole, currency)
        digits = pl.when(currency.is_not_null()).then(units).otherwise(None)
    else:
        fraction = parts.struct.field("fraction")
        is_whole = fraction.is_null() | (fraction == "")
        digits = (
            pl.when(is_whole).then(whole).otherwise(pl.concat_str(whole, pl.lit("."), fraction))
        )
    value = pl.concat_str(_sign(parts, amounts.sign, is_debit), digits)
    return value.fill_null(pl.concat_str(pl.lit(UNREADABLE), text))  # guard: unread-amount


def two_sides(credit: pl.Expr, debit: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """The text of an amount that stands in one of two columns, and whether it is the debit's."""
    no_credit = credit.is_null() | credit.str.contains(_NOUGHT)
    no_debit = debit.is_null() | debit.str.contains(_NOUGHT)
    is_debit = no_credit & ~no_debit
    text = pl.when(is_debit).then(debit).otherwise(pl.coalesce(credit, debit))
    # With money on both sides, neither is meant for certain.
    return text, pl.when(no_credit | no_debit).then(is_debit)


def side_of_direction(word: pl.Expr, direction: Direction) -> pl.Expr:
    """Whether the word says debit; null where it says nothing that is known."""
    is_credit = word.is_in([text.strip() for text in direction.credit])
    is_debit = word.is_in([text.strip() for text in direction.debit])
    return pl.when(is_credit | is_debit).then(is_debit)


def _sign(parts: pl.Expr, sign: Sign, is_debit: pl.Expr) -> pl.Expr:
    """`-` or nothing; null where signs contradict each other or the side is unknown."""
    lead = parts.struct.field("lead").fill_null("")
    has_minus = lead.is_in(["-", "\u2212"])
    is_sure = is_debit.is_not_null()
    if sign is not Sign.UNSIGNED:
        trail = parts.struct.field("trail").fill_null("")
        opened, closed = (parts.struct.field(name).fill_null("") for name in ("open", "close"))
        marks = sum((mark != "").cast(pl.Int8) for mark in (lead, trail, opened))
        is_sure = is_sure & ((opened != "") == (closed != "")) & (marks <= 1)
        has_minus = has_minus | trail.is_in(["-", "\u2212"]) | (opened != "")
    if sign is Sign.IGNORED:
        is_negative = is_debit
    else:
        is_sure = is_sure & ~(has_minus & is_debit)
        is_negative = (has_minus | is_debit) != pl.lit(sign is Sign.NEGATIVE)
    return pl.when(is_sure).then(pl.when(is_negative).then(pl.lit("-")).otherwise(pl.lit("")))
