"""A server that accepts only FTP with TLS, in a process of its own; run by tests.servers.file_servers.

Each user but acme has one trouble: its name says which.
"""

import argparse
import errno
import socket
import sys
import time
from pathlib import Path
from typing import Any

# pyftpdlib has no types.
from pyftpdlib.authorizers import DummyAuthorizer  # type: ignore[import-untyped]
from pyftpdlib.filesystems import AbstractedFS  # type: ignore[import-untyped]
from pyftpdlib.handlers import (  # type: ignore[import-untyped]
    FTPHandler,
    TLS_DTPHandler,
    TLS_FTPHandler,
)
from pyftpdlib.servers import FTPServer  # type: ignore[import-untyped]

# A slow line: so many bytes at once, so often.
SLOW_BYTES, SLOW_SECONDS = 4096, 0.02
PASSWORD = "s3cret"  # noqa: S105 - invented
PERMISSIONS = {
    "acme": "elradfmw",
    "readonly": "elr",
    "norename": "eladrw",
    "full": "elradfmw",
    "cutting": "elradfmw",
    "stalling": "elradfmw",
    "slow": "elradfmw",
}


class FullFile:
    """A file on a disk that is full: what is written beyond the first bytes fails."""

    def __init__(self, inner: Any, limit: int) -> None:
        self.inner = inner
        self.limit = limit
        self.name = inner.name

    def write(self, data: bytes) -> int:
        if self.inner.tell() + len(data) > self.limit:
            raise OSError(errno.ENOSPC, "No space left on device")
        return int(self.inner.write(data))

    def close(self) -> None:
        self.inner.close()

    @property
    def closed(self) -> bool:
        return bool(self.inner.closed)


class Folder(AbstractedFS):  # type: ignore[misc] # untyped base
    """The user `full` has a full disk."""

    limit = 0

    def open(self, filename: str, mode: str) -> Any:
        file = super().open(filename, mode)
        is_full = self.cmd_channel.username == "full" and "w" in mode
        return FullFile(file, self.limit) if is_full else file


class DataConnection(TLS_DTPHandler):  # type: ignore[misc] # untyped base
    """The users `cutting` and `stalling` get no further than some bytes, the first time.

    What `slow` sends is taken slowly, and little of it waits in between.
    """

    limit = 0
    troubled = 1

    def __init__(self, sock: socket.socket, cmd_channel: Any) -> None:
        if cmd_channel.username == "slow":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * SLOW_BYTES)
            self.ac_in_buffer_size = SLOW_BYTES
        super().__init__(sock, cmd_channel)

    def handle_read_event(self) -> None:
        name = self.cmd_channel.username
        if name == "slow":
            time.sleep(SLOW_SECONDS)
        is_over = self.tot_bytes_received > self.limit
        if name not in {"cutting", "stalling"} or not (is_over and type(self).troubled):
            super().handle_read_event()
            return
        type(self).troubled -= 1
        if name == "cutting":
            self.cmd_channel.close()
        else:
            self.del_channel()


def main(home: Path, port: int, limit: int, *, is_plain: bool) -> None:
    """Serve `home` to the users; prints the port."""
    authorizer = DummyAuthorizer()
    for name, permissions in PERMISSIONS.items():
        authorizer.add_user(name, PASSWORD, str(home), perm=permissions)
    Folder.limit = DataConnection.limit = limit
    options: dict[str, Any] = {
        "authorizer": authorizer,
        "abstracted_fs": Folder,
        "auth_failed_timeout": 0.1,
    }
    if not is_plain:
        options |= {
            "certfile": str(home / "server.pem"),
            "tls_control_required": True,
            "tls_data_required": True,
            "dtp_handler": DataConnection,
        }
    handler = type("Handler", (FTPHandler if is_plain else TLS_FTPHandler,), options)
    server = FTPServer(("127.0.0.1", port), handler)
    sys.stdout.write(f"port {server.address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("home", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--limit-bytes", type=int, default=0)
    parser.add_argument("--plain", action="store_true")
    given = parser.parse_args()
    main(given.home, given.port, given.limit_bytes, is_plain=given.plain)
