"""Control files: what a sender says about a file, as a second source of its figures.

`<file>.ctl.json` has `rows`, `totals` (currency -> minor units) and `sha256`, as the control files of
chargeback files have them, and may have `signature` and `key_id`.

Belongs here: its form, what is signed, and the comparison with what the file itself says. Which
rows count and how a signature is verified is decided elsewhere.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NoReturn

from cardops.rules.currencies import EXPONENTS
from cardops.rules.errors import ExplainedError
from cardops.rules.money import format_amount

SUFFIX: Final = ".ctl.json"
# Mainframes write names in capitals. Other mixtures are refused as data files: nobody looks for them.
SUFFIXES: Final = (SUFFIX, SUFFIX.upper())
MAX_CONTROL_BYTES: Final = 64 * 1024
# It keeps a signature of this from being taken for one of anything else.
SIGNED_AS: Final = "cardops-control-file-v1"
SIGNATURE_BYTES: Final = 64
# How an OpenPGP signature begins, in text and as a packet of any form.
ARMOR: Final = b"-----BEGIN PGP SIGNATURE-----"
_PACKETS: Final = frozenset({*range(0x88, 0x8C), 0xC2})
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")


class ControlPolicy(StrEnum):
    """What a program demands of its deposit files; a control file that is there is always checked."""

    NONE = "none"
    REQUIRED = "required"
    SIGNED = "signed"


class SignatureAlgorithm(StrEnum):
    """How a control file may be signed."""

    ED25519 = "ed25519"
    OPENPGP = "openpgp"


class UnreadableControlFileError(ExplainedError):
    """A control file does not have its form; the message says where."""


@dataclass(frozen=True, slots=True)
class FileFigures:
    """Rows read, sums by currency in minor units, and the hash of a file, as it arrived."""

    row_count: int
    totals_minor: Mapping[str, int]
    sha256: str


@dataclass(frozen=True, slots=True)
class ControlFile:
    """What the sender says; None where the control file does not say it."""

    rows: int | None = None
    totals_minor: Mapping[str, int] | None = None
    sha256: str | None = None
    signature: bytes | None = None
    key_id: str | None = None

    @property
    def algorithm(self) -> SignatureAlgorithm | None:
        """What the signature is; None where there is none. OpenPGP's are always longer."""
        if self.signature is None:
            return None
        is_short = len(self.signature) == SIGNATURE_BYTES
        return SignatureAlgorithm.ED25519 if is_short else SignatureAlgorithm.OPENPGP

    @property
    def missing(self) -> list[str]:
        """The figures that it does not state."""
        stated = {"rows": self.rows, "totals": self.totals_minor, "sha256": self.sha256}
        return [name for name, value in stated.items() if value is None]


def is_control(key: str) -> bool:
    """Whether the name is that of a control file, which is no data file of any kind."""
    return key.endswith(SUFFIXES)


def is_nearly_control(key: str) -> bool:
    """Whether the name is that of a control file but for the case of some letters."""
    return key.lower().endswith(SUFFIX) and not is_control(key)


def control_key(key: str) -> str:
    """The key of a file's control file, as Cardops writes it."""
    return f"{key}{SUFFIX}"


def control_keys(key: str) -> tuple[str, ...]:
    """The keys under which a sender may put a file's control file, best first."""
    return tuple(f"{key}{suffix}" for suffix in SUFFIXES)


def file_of_control(key: str) -> str | None:
    """The key of the file that a control file describes; None where the key is not a control file's."""
    return key[: -len(SUFFIX)] if is_control(key) else None


def parse_control(content: bytes) -> ControlFile:
    """Raises UnreadableControlFileError. Fields that are not of the form are ignored."""
    if len(content) > MAX_CONTROL_BYTES:
        _refuse(f"it is larger than {MAX_CONTROL_BYTES} bytes")
    try:
        stated = json.loads(
            content.decode("utf-8-sig"), object_pairs_hook=_unique, parse_constant=_no_constant
        )
    except (ValueError, RecursionError) as error:
        _refuse(f"it is not JSON ({error})")
    if not isinstance(stated, dict):
        _refuse("it is not a JSON object")
    control = ControlFile(
        rows=_rows(stated),
        totals_minor=_totals(stated),
        sha256=_sha256(stated),
        signature=_signature(stated),
        key_id=_text(stated, "key_id"),
    )
    if control.missing == ["rows", "totals", "sha256"]:
        _refuse("it has none of rows, totals and sha256")
    return control


def signed_bytes(program: str, figures: FileFigures) -> bytes:
    """What a signature covers: the program and the three figures, in one exact form.

    JSON with sorted keys, no spaces, ASCII, and totals without currencies whose sum is 0.
    """
    statement = {
        "form": SIGNED_AS,
        "program": program,
        "rows": figures.row_count,
        "sha256": figures.sha256,
        "totals": _without_zeros(figures.totals_minor),
    }
    return json.dumps(statement, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def control_content(
    figures: FileFigures, *, signature: bytes | None = None, key_id: str | None = None
) -> bytes:
    """A control file that says this."""
    stated: dict[str, object] = {
        "rows": figures.row_count,
        "totals": dict(sorted(figures.totals_minor.items())),
        "sha256": figures.sha256,
    }
    if signature is not None:
        is_armored = signature.startswith(ARMOR)
        text = signature if is_armored else base64.b64encode(signature)
        stated |= {"key_id": key_id, "signature": text.decode()}
    return (json.dumps(stated, indent=2) + "\n").encode()


def differences(control: ControlFile, figures: FileFigures) -> list[str]:
    """Each figure that differs, with both sides; empty where all that is stated holds."""
    found = []
    if control.sha256 is not None and control.sha256 != figures.sha256:
        found.append(f"sha256 {control.sha256} is stated and {figures.sha256} arrived")
    if control.rows is not None and control.rows != figures.row_count:
        found.append(f"{control.rows} rows are stated and {figures.row_count} were read")
    if control.totals_minor is not None:
        stated, read = _without_zeros(control.totals_minor), _without_zeros(figures.totals_minor)
        for currency in sorted({*stated, *read}):
            if stated.get(currency, 0) != read.get(currency, 0):  # guard: control-totals
                sums = [_amount(side.get(currency, 0), currency) for side in (stated, read)]
                found.append(f"{sums[0]} is stated and {sums[1]} was read")
    return found


def _amount(minor: int, currency: str) -> str:
    text = format_amount(minor, currency) if currency in EXPONENTS else str(minor)
    return f"{text} {currency}"


def _without_zeros(totals: Mapping[str, int]) -> dict[str, int]:
    return {currency: minor for currency, minor in sorted(totals.items()) if minor}


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is repeated")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _rows(stated: Mapping[str, Any]) -> int | None:
    rows = stated.get("rows")
    if rows is not None and (type(rows) is not int or rows < 0):
        _refuse("rows is no count")
    return rows


def _totals(stated: Mapping[str, Any]) -> Mapping[str, int] | None:
    totals = stated.get("totals")
    if totals is None:
        return None
    is_form = isinstance(totals, dict) and all(
        _CURRENCY.fullmatch(currency) and type(minor) is int for currency, minor in totals.items()
    )
    if not is_form:
        _refuse("totals is no object of currency -> integer in minor units, as 2500 for 25.00 USD")
    return dict(totals)


def _sha256(stated: Mapping[str, Any]) -> str | None:
    digest = _text(stated, "sha256")
    if digest is not None and not _SHA256.fullmatch(digest.lower()):
        _refuse("sha256 has not 64 hexadecimal digits")
    return digest and digest.lower()


def _signature(stated: Mapping[str, Any]) -> bytes | None:
    text = _text(stated, "signature")
    if text is None:
        return None
    content = text.strip().encode(errors="replace")
    if content.startswith(ARMOR):
        return content
    try:
        signature = base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        signature = b""
    is_packet = len(signature) > SIGNATURE_BYTES and signature[0] in _PACKETS
    if len(signature) != SIGNATURE_BYTES and not is_packet:
        _refuse("signature is neither the base64 of 64 bytes nor an OpenPGP signature")
    return signature


def _text(stated: Mapping[str, Any], name: str) -> str | None:
    value = stated.get(name)
    if value is not None and not isinstance(value, str):
        _refuse(f"{name} is no text")
    return value


def _refuse(why: str) -> NoReturn:
    raise UnreadableControlFileError(f"the control file cannot be read: {why}")
