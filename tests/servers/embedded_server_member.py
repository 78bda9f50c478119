"""A process that joins the embedded server of a home, prints it, and leaves on request.

Arguments: the home, and the user id to run as, if another than ours. Prints `joined`, waits for a line on standard input, then leaves.
"""

import encodings.idna  # noqa: F401 - connecting imports it, then perhaps out of reach
import os
import subprocess
import sys
from pathlib import Path

from cardops.adapters.postgresql.connection import connect, database
from cardops.adapters.postgresql.migrate import known_migrations
from cardops.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


def start_joining(home: Path, *, uid: int | None = None) -> "subprocess.Popen[str]":
    """The same in a process of its own, as another user where one is given."""
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.servers.embedded_server_member",
            str(home),
            *([str(uid)] if uid else []),
        ],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def joined(process: "subprocess.Popen[str]") -> bool:
    assert process.stdout is not None
    return process.stdout.readline() == "joined\n"


def leave(process: "subprocess.Popen[str]") -> int:
    process.communicate("leave\n")
    return process.returncode


def become(uid: int) -> None:
    """Drop to a user that may not be able to run this interpreter: so after the imports."""
    known_migrations()
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        become(int(sys.argv[2]))
    with database(Settings(home=Path(sys.argv[1]))) as addresses:
        with connect(addresses.url) as session:
            session.execute("select count(*) from accounts")
        print("joined", flush=True)  # noqa: T201 - the parent process waits for it
        sys.stdin.readline()
