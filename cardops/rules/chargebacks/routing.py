"""Which card company a chargeback goes to, and which evidence decided it.

Belongs here: the order of a row's evidence, and the tables to look it up in, for one row
(`route_row`) and for single values (for code that works on whole columns). Does not belong here:
reading files, or what happens to a row that cannot be routed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Final

from cardops.rules.chargebacks.reason_codes import sole_network_of
from cardops.rules.data_tables import is_valid_on, read_table

# In the order of the partitions definition; there is never a fifth.
NETWORKS: Final = ("visa", "mastercard", "amex", "discover")
# The network in file names of a size-balanced batch, and of its rows that name no network.
MIXED: Final = "mixed"

# Ranges are compared at this width; at most eight digits identify an issuer.
_WIDTH: Final = 12
_NO_CONTRACTS: Final[Mapping[str, str]] = MappingProxyType({})


class NetworkSource(StrEnum):
    """What decided a row's network, in order of precedence."""

    COLUMN = "column"
    CARD_NUMBER = "card_number"
    TRANSACTION = "transaction"
    REASON_CODE = "reason_code"


@dataclass(frozen=True, slots=True)
class NetworkEvidence:
    """What a chargeback row and its transaction say about the network; None where they say nothing."""

    card_network: str | None = None
    card_number: str | None = None
    transaction_network: str | None = None
    transaction_provider: str | None = None
    reason_code: str | None = None
    on: date | None = None


@dataclass(frozen=True, slots=True)
class Routed:
    """The card company, and the evidence that decided it."""

    network: str
    source: NetworkSource


@dataclass(frozen=True, slots=True)
class Unroutable:
    """The reason why no card company was found. `scheme` is the one that has no route."""

    why: str
    scheme: str | None = None


@cache
def network_names() -> Mapping[str, str]:
    """Names of card schemes in feeds, as `name_key` writes them -> the scheme."""
    rows = read_table("network_names")
    return MappingProxyType({row["name"]: row["scheme"] for row in rows if row["scheme"]})


@cache
def neutral_names() -> frozenset[str]:
    """Words in network columns that name no network: wallets, `card`, `unknown`."""
    return frozenset(row["name"] for row in read_table("network_names") if not row["scheme"])


@cache
def network_routes() -> Mapping[str, str]:
    """Scheme -> the card company for its chargebacks. JCB and UnionPay need a contract."""
    return MappingProxyType({row["scheme"]: row["network"] for row in read_table("network_routes")})


def name_key(name: str) -> str:
    """A name as the table writes it: `American Express`, `AMERICAN_EXPRESS` -> one key."""
    return re.sub(r"[\W_]+", "", name).lower()


def scheme_of_name(name: str | None) -> str | None:
    """The card scheme that a network column or a provider names, or None.

    Also beside words that name none: `Visa Debit`, `debit_mastercard`, `mc_applepay`.
    """
    key = name_key(name or "")
    return network_names().get(key) or network_names().get(_neutral_ends().sub("", key))


@cache
def _neutral_ends() -> re.Pattern[str]:
    words = "|".join(sorted(neutral_names(), key=len, reverse=True))
    return re.compile(f"^(?:{words})+|(?:{words})+$")


def leading_digits(card_number: str | None) -> str:
    """The digits before any mask: `4520 88XX…` -> `452088`, `****1234` -> an empty text."""
    found = re.match(r"[0-9]+", re.sub(r"[ -]", "", card_number or ""))
    return found.group() if found else ""


def scheme_of_number(card_number: str | None, on: date | None = None) -> str | None:
    """The card scheme that owns every number with these leading digits, or None."""
    digits = leading_digits(card_number)[:_WIDTH]
    return _scheme_of_prefix(digits, on) if digits else None


def route_row(
    evidence: NetworkEvidence, contracts: Mapping[str, str] = _NO_CONTRACTS
) -> Routed | Unroutable:
    """The row's network: the first evidence of a scheme decides, even if the scheme has no route.

    A name that is no scheme's (a wallet, free text) is no evidence, but a reason code alone decides
    nothing beside a name that nobody knows: it may be a debit network's, which use the same codes.
    `contracts` adds routes for schemes that have none of their own, such as jcb -> discover.
    """
    for source, scheme in _findings(evidence):
        if scheme is None:
            continue
        network = network_routes().get(scheme) or contracts.get(scheme)
        if network in NETWORKS:
            return Routed(network, source)
        return Unroutable(f"the {source} says {scheme}, and no contract routes {scheme}", scheme)
    return Unroutable("neither column, card number, transaction nor reason code names a network")


def route_problem(scheme: str, network: str | None) -> str | None:
    """What makes a contract route impossible, or None. `network`: None ends the contract."""
    if scheme not in set(network_names().values()):
        return f"{scheme!r} is no card scheme that is known; use a name such as jcb or unionpay."
    if scheme in network_routes():
        return f"{scheme} goes to {network_routes()[scheme]}, whatever a contract says."
    if network is not None and network not in NETWORKS:
        return f"{network!r} is no card company; use {', '.join(NETWORKS)}."
    return None


def _findings(evidence: NetworkEvidence) -> list[tuple[NetworkSource, str | None]]:
    return [
        (NetworkSource.COLUMN, scheme_of_name(evidence.card_network)),
        (NetworkSource.CARD_NUMBER, scheme_of_number(evidence.card_number, evidence.on)),
        (NetworkSource.TRANSACTION, scheme_of_name(evidence.transaction_network)),
        (NetworkSource.TRANSACTION, scheme_of_name(evidence.transaction_provider)),
        (NetworkSource.REASON_CODE, _scheme_of_reason(evidence)),
    ]


def _scheme_of_reason(evidence: NetworkEvidence) -> str | None:
    named = name_key(evidence.card_network or "")
    if named and named not in neutral_names():  # guard: debit-network
        return None
    return sole_network_of(evidence.reason_code)


@cache
def _ranges(on: date | None) -> tuple[tuple[int, int, str], ...]:
    """(first, last, scheme), narrowest first, so that a range inside another has precedence."""
    ranges = [
        (int(row["low"].ljust(_WIDTH, "0")), int(row["high"].ljust(_WIDTH, "9")), row["scheme"])
        for row in read_table("bin_ranges")
        if is_valid_on(row, on)
    ]
    return tuple(sorted(ranges, key=lambda span: span[1] - span[0]))


def _scheme_of_prefix(digits: str, on: date | None) -> str | None:
    first, last = int(digits.ljust(_WIDTH, "0")), int(digits.ljust(_WIDTH, "9"))
    return next(
        (scheme for low, high, scheme in _ranges(on) if low <= first and last <= high), None
    )
