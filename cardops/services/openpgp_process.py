"""The process that decrypts a message which nobody trusts: `python -P -m cardops.services.openpgp_process`.

Belongs here: what has to be ended where it takes too long, and must not write without an end. Sequoia can do
neither, and keeps all of Python waiting meanwhile. Users call cardops.services.openpgp_messages.
"""

import json
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pysequoia import Cert, Tsk, decrypt_file
from pysequoia.packet import PacketPile

from cardops.services.openpgp import KEYS, first_line

# In the folder that is the first argument: what is read, by whom it may be signed, and what is written.
MESSAGE: Final = "message"
SIGNER: Final = "signer"
PLAIN: Final = "plain"


def main(folder: Path, max_bytes: int, secret_key: bytes) -> dict[str, object]:
    """Decrypt the message; a file that would be larger ends there, with an error."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (max_bytes, max_bytes))
    decryptor = Tsk.from_bytes(secret_key).decryptor()
    try:
        decrypt_file(folder / MESSAGE, folder / PLAIN, decryptor=decryptor)
    except (RuntimeError, OSError) as error:
        return {"error": first_line(error), "is_forged": False}
    signer = folder / SIGNER
    is_forged = signer.exists() and _is_forged(folder, secret_key, signer.read_bytes())
    return {"error": None, "is_forged": is_forged}


def _is_forged(folder: Path, secret_key: bytes, signer: bytes) -> bool:
    """Whether the message names a key of the certificate as its signer, and none of them signed it."""
    named: set[str] = set()

    def store(ids: Sequence[str]) -> list[Cert]:
        named.update(ids)
        return [Cert.from_bytes(signer)]

    try:
        decrypt_file(
            folder / MESSAGE,
            folder / "signed",
            decryptor=Tsk.from_bytes(secret_key).decryptor(),
            store=store,
        )
    except (RuntimeError, OSError):
        keys = [found for found in PacketPile.from_bytes(signer) if found.tag in KEYS]
        return any(named & {found.fingerprint, found.key_id} for found in keys)
    return False


if __name__ == "__main__":
    said = main(Path(sys.argv[1]), int(sys.argv[2]), sys.stdin.buffer.read())
    sys.stdout.write(json.dumps(said))
