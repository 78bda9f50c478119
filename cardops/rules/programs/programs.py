"""Card programs: what one is, and which names and callback hosts it may have.

Belongs here: programs as values. The keys of their partners are in cardops.rules.programs.api_keys.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cardops.rules.intake.files import PROGRAM_PATTERN

MAX_SHOWN: Final = 64

_HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))+")


@dataclass(frozen=True, slots=True)
class Program:
    """A card program: its default currency, how its batches are split, its callback hosts.

    `network_routes`: card scheme -> the card company that takes its disputes by contract.
    `response_days`: `<network>/<stage>` -> the days that its processor leaves for a response.
    """

    program: str
    currency: str = "USD"
    chargeback_mode: str = "by_network"
    callback_hosts: tuple[str, ...] = ()
    created_at: datetime | None = None
    network_routes: Mapping[str, str] = field(default_factory=dict)
    response_days: Mapping[str, int] = field(default_factory=dict)


def program_problem(program: str) -> str | None:
    """What makes the program name invalid, or None."""
    if re.fullmatch(PROGRAM_PATTERN, program):
        return None
    return f"{quoted(program)} cannot name a program: use 1 to 32 of a-z, 0-9 and the hyphen."


def host_problem(host: str) -> str | None:
    """What makes the callback host invalid, or None."""
    is_name = _HOST.fullmatch(host) and not re.fullmatch(r"[0-9.]+|.*\.(0x[0-9a-f]*|[0-9]+)", host)
    if is_name and host != "localhost":
        return None
    return (
        f"{quoted(host)} cannot be a callback host: give a full lower-case host name such as "
        "hooks.example.com, without scheme, port or address."
    )


def quoted(text: str) -> str:
    """Untrusted text, escaped for a terminal and cut to MAX_SHOWN characters."""
    return ascii(text) if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]!a}…"
