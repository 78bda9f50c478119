"""OpenPGP messages that others encrypt for a key of ours.

Belongs here: reading them without trusting them: what they decrypt to is bounded, and a signature in them
that is not what it claims is refused. What they say is read by their users.
"""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from pysequoia import Tsk, decrypt, encrypt

from cardops.services.openpgp import OpenPgpRefusedError, fingerprint_of, parsed
from cardops.services.openpgp_process import MESSAGE, PLAIN, SIGNER

# A large one takes two; a message may be made to take for ever.
MAX_SECONDS: Final = 120


def decryption_problem(secret_key: bytes) -> str | None:
    """Why nothing that is encrypted for the key could be read with it; None where it could."""
    try:
        key = parsed(Tsk.from_bytes, secret_key)
        decrypt(encrypt(b"", recipients=[key.extract_certificate()]), decryptor=key.decryptor())
    except OpenPgpRefusedError as error:
        return str(error)
    except RuntimeError:
        return (
            "it has no key that may encrypt, has not expired, has no passphrase and uses algorithms "
            "that are considered safe today"
        )
    return None


def decrypted(
    secret_key: bytes, content: bytes, *, max_bytes: int, signer: bytes | None = None
) -> bytes:
    """What was encrypted for a secret key without a passphrase. Raises OpenPgpRefusedError.

    `signer`: a certificate by whose keys a signature has to be valid that names one of them. A message
    without a signature, and one that names a key which is not known here, are read all the same.
    """
    key = parsed(Tsk.from_bytes, secret_key)
    with TemporaryDirectory() as folder:
        said = _read_apart(Path(folder), bytes(key), content, max_bytes, signer)
        plain = Path(folder) / PLAIN
        if plain.exists() and plain.stat().st_size > max_bytes:  # guard: decrypted-size
            raise OpenPgpRefusedError(
                f"it decrypts to more than {max_bytes:,} bytes, which is more than is read here: ask "
                "its sender whether it is the right file"
            )
        if said["error"] is not None:
            raise OpenPgpRefusedError(
                f"it cannot be decrypted ({said['error']}): it must be encrypted for the key "
                f"{key.extract_certificate().fingerprint.upper()}, which may have no passphrase"
            )
        if said["is_forged"]:  # guard: signed-message
            raise OpenPgpRefusedError(
                "its signature names a key of the certificate "
                f"{fingerprint_of(signer or b'')} and is no valid one by it: it may have been changed "
                "on its way"
            )
        return plain.read_bytes()


def _read_apart(
    folder: Path, key: bytes, content: bytes, max_bytes: int, signer: bytes | None
) -> dict[str, Any]:
    """What the process says that reads the message."""
    (folder / MESSAGE).write_bytes(content)
    if signer is not None:
        (folder / SIGNER).write_bytes(signer)
    command = [sys.executable, "-P", "-m", "cardops.services.openpgp_process"]
    try:
        done = subprocess.run(  # noqa: S603 - our own words only
            [*command, str(folder), str(max_bytes + 1)],
            input=key,
            capture_output=True,
            timeout=MAX_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise OpenPgpRefusedError(
            f"it was not decrypted within {MAX_SECONDS} seconds: ask its sender whether it is the right file"
        ) from None
    if done.returncode != 0:
        ended = done.stderr.decode(errors="replace").strip().rpartition("\n")[2] or "without a word"
        return {"error": f"the process that read it ended: {ended}", "is_forged": False}
    said: dict[str, Any] = json.loads(done.stdout)
    return said
