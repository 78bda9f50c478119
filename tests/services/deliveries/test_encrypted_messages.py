"""Messages that others encrypt for us: no larger than is read, however much they decrypt to."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from pysequoia import Tsk, encrypt

from cardops.services.openpgp import OpenPgpRefusedError
from cardops.services.openpgp_messages import decrypted

KEY = Tsk.generate("Us <files@us.example>")
LIMIT = 100_000


def encrypted(content: bytes) -> bytes:
    return bytes(encrypt(content, recipients=[KEY.extract_certificate()], armor=False))


def test_message_is_read_up_to_its_limit_and_refused_beyond() -> None:
    assert decrypted(bytes(KEY), encrypted(b"x" * LIMIT), max_bytes=LIMIT) == b"x" * LIMIT
    with pytest.raises(OpenPgpRefusedError, match="decrypts to more than 100,000 bytes"):
        decrypted(bytes(KEY), encrypted(b"x" * (LIMIT + 1)), max_bytes=LIMIT)


@pytest.mark.skipif(shutil.which("gpg") is None, reason="gpg compresses; Sequoia does not")
def test_small_message_that_decrypts_to_much_fills_no_disk(tmp_path: Path) -> None:
    (tmp_path / "ours").write_bytes(bytes(KEY.extract_certificate()))
    (tmp_path / "much").write_bytes(bytes(100 * LIMIT))
    command = ["gpg", "--batch", "-z", "9", "--recipient-file", "ours", "-o", "bomb", "-e", "much"]
    environment = {"GNUPGHOME": str(tmp_path), "PATH": os.environ["PATH"]}
    subprocess.run(command, cwd=tmp_path, check=True, env=environment, capture_output=True)
    bomb = (tmp_path / "bomb").read_bytes()

    assert len(bomb) < LIMIT
    with pytest.raises(OpenPgpRefusedError, match="decrypts to more than 100,000 bytes"):
        decrypted(bytes(KEY), bomb, max_bytes=LIMIT)
