"""Dispute reason codes of the four networks, their aliases and categories, as data.

Codes and categories are in `data/reason_codes.csv`, their names in feeds in `data/reason_aliases.csv`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from cardops.rules.data_tables import read_table


@dataclass(frozen=True, slots=True)
class Reason:
    """A network's reason code: its own spelling, category and meaning."""

    network: str
    code: str
    category: str
    description: str


@cache
def reasons() -> Mapping[tuple[str, str], Reason]:
    """(network, code as the network or a feed spells it, `code_key`) -> the reason."""
    table = {
        (row["network"], row["code"]): Reason(
            row["network"], row["code"], row["category"], row["description"]
        )
        for row in read_table("reason_codes")
    }
    aliases = {
        (row["network"], row["alias"]): table[row["network"], row["code"]]
        for row in read_table("reason_aliases")
    }
    return MappingProxyType(aliases | table)


@cache
def sole_networks() -> Mapping[str, str]:
    """Code or alias -> the only network that uses it; codes of several networks are left out."""
    # Debit networks, Diners Club and returns of electronic checks use some of them for other reasons.
    ambiguous = {
        (row["network"], row[column])
        for table, column in (("reason_aliases", "alias"), ("reason_codes", "code"))
        for row in read_table(table)
        if row["names_network"] != "yes"
    }
    users: dict[str, set[str]] = {}
    for network, code in reasons():
        if (network, code) not in ambiguous:
            users.setdefault(code, set()).add(network)
    return MappingProxyType(
        {code: min(networks) for code, networks in users.items() if len(networks) == 1}
    )


def code_key(code: str) -> str:
    """A code as the tables write it: `ua-02`, ` UA02 ` -> `UA02`, `4853.0` -> `4853`.

    Dots are part of a code, but no code ends with a dot and noughts: a spreadsheet wrote them.
    """
    key = "".join(letter for letter in code.upper() if letter.isalnum() or letter == ".")
    whole, dot, last = key.rpartition(".")
    return f"{whole}{dot}{last.rstrip('0')}".rstrip(".") if dot else key


@cache
def _bare_reasons() -> Mapping[tuple[str, str], Reason]:
    """The same as `reasons` without dots and noughts before the code; no two of a network are alike."""
    return MappingProxyType(
        {(network, _bare(code)): reason for (network, code), reason in reasons().items()}
    )


def _bare(key: str) -> str:
    return key.replace(".", "").lstrip("0")


def find_reason(network: str, code: str | None) -> Reason | None:
    """The network's reason for a code or an alias of it (`53` -> 4853), or None.

    Feeds write `083`, `104` and `8` for 83, 10.4 and 08 too; such a code names no network by itself.
    """
    key = code_key(code) if code else ""
    found = reasons().get((network, key))
    return found or _bare_reasons().get((network, _bare(key)))


def sole_network_of(code: str | None) -> str | None:
    """The network, if only one uses this code or alias; else None."""
    return sole_networks().get(code_key(code)) if code else None
