"""What went wrong with a card company's server, and what a person does about it.

Belongs here: the closed set of troubles and one sentence of advice for each. Does not belong here:
finding out which trouble it is, which only the protocol's adapter can.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

RUNBOOK: Final = "docs/runbooks/chargeback-delivery.md"


class Trouble(StrEnum):
    """Why a session or one step of it failed."""

    SETTINGS = "settings"
    UNREACHABLE = "unreachable"
    STALLED = "stalled"
    INTERRUPTED = "interrupted"
    HOST_KEY = "host_key"
    CERTIFICATE = "certificate"
    CREDENTIALS = "credentials"
    FOLDER_MISSING = "folder_missing"
    PERMISSION_DENIED = "permission_denied"
    DISK_FULL = "disk_full"
    FILE_EXISTS = "file_exists"
    ENCRYPTION = "encryption"
    CHANGED_HERE = "changed_here"
    OTHER = "other"


# The session itself is refused, by the server or by us: whatever it is for, the next one would be too.
REFUSED_SESSIONS: Final = frozenset({Trouble.HOST_KEY, Trouble.CERTIFICATE, Trouble.CREDENTIALS})
# No other file of the destination can be delivered either until a person has mended it.
OF_ALL_FILES: Final = REFUSED_SESSIONS | {Trouble.SETTINGS, Trouble.ENCRYPTION}

_ADVICE: Final[Mapping[Trouble, str]] = {
    Trouble.SETTINGS: (
        "`cardops destinations add {name}` sets it up; with --replace it corrects what is there."
    ),
    Trouble.UNREACHABLE: (
        "Check host, port and firewall, and whether the card company announced an outage; it is "
        "tried again automatically."
    ),
    Trouble.STALLED: (
        "Its server or the network is overloaded; it is tried again automatically. If it goes on, "
        "ask the card company."
    ),
    Trouble.INTERRUPTED: "It is tried again automatically and goes on from what is there.",
    Trouble.HOST_KEY: (
        "Ask the card company over another channel for its host key before you change it: somebody "
        "may be impersonating its server. Until then its other files wait."
    ),
    Trouble.CERTIFICATE: (
        "Ask the card company for the certificate of its authority and give it with "
        "--ca-certificate; check that the host name is the one it was issued for."
    ),
    Trouble.CREDENTIALS: (
        "Check user and password or key with the card company, then give them with "
        "`cardops destinations add {name} --replace`. Until then its other files wait, so that the "
        "account is not locked."
    ),
    Trouble.FOLDER_MISSING: (
        "Check the folder with the card company: it must exist and begin where the user's login "
        "begins, or with / for the server's root."
    ),
    Trouble.PERMISSION_DENIED: (
        "Ask the card company to let this user create, read back, rename and delete files in its "
        "folder."
    ),
    Trouble.DISK_FULL: (
        "Ask the card company to make room; it is tried again automatically, and nothing has its "
        "final name yet."
    ),
    Trouble.FILE_EXISTS: "Ask the card company which file it has before anything is sent again.",
    Trouble.ENCRYPTION: (
        "Ask the card company for its current OpenPGP certificate and give it with "
        "`cardops destinations add {name} --replace --openpgp FILE`."
    ),
    Trouble.CHANGED_HERE: "Restore the file, or make the batch's files again.",
    Trouble.OTHER: "`cardops destinations test {name}` shows which step fails.",
}


def advice(trouble: Trouble, name: str) -> str:
    """What to do about it, for the destination of that name: one or two sentences."""
    return _ADVICE[trouble].format(name=name)
