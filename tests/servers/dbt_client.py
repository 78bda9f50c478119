"""Asks the server of warm_dbt.py to run dbt, with this process's environment, folder and outputs.

Started as a program it imports nothing but the standard library.
"""

import json
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def run_in(
    address: Path,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    outputs: tuple[int, int],
) -> int:
    """dbt's exit code; it writes to these two."""
    asked = json.dumps(
        {"arguments": [*arguments], "environment": dict(environment), "folder": str(folder)}
    ).encode()
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(str(address))
        socket.send_fds(server, [len(asked).to_bytes(8, "big")], outputs)
        server.sendall(asked)
        with server.makefile() as answer:
            return int(answer.readline() or 1)


if __name__ == "__main__":
    sys.exit(run_in(Path(sys.argv[1]), sys.argv[2:], os.environ, Path.cwd(), (1, 2)))
