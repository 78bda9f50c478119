"""The card companies' SFTP server: one process, one user and folder a network, for demo and tests.

Belongs here: the server. What a company receives lies under `<home>/card_companies/<network>/inbox`;
what it answers, in `outbox`, is in simulation.acknowledgements. Options switch faults on: a quota, so
that its disk is full, or refused renames.
"""

import argparse
import asyncio
import logging
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import asyncssh
from typing_extensions import override

from cardops.bootstrap import Adapters
from cardops.ports import SecretStore
from cardops.settings import Settings
from simulation.acknowledgements import (
    CONTROL_SUFFIX,
    INBOX,
    OUTBOX,
    acknowledge,
    acknowledge_missing,
    show_late,
)

NETWORKS: Final = ("visa", "mastercard", "amex", "discover", "default")
_HOST: Final = "127.0.0.1"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Faults:
    """What the server does wrong. Every one is off by default."""

    quota_bytes: int | None = None
    refuses_renames: bool = False
    refuses_reading: bool = False
    loses_the_end: bool = False
    refuses_writing: bool = False


@dataclass(frozen=True, slots=True)
class CardCompanies:
    """The folders, keys and passwords of the companies: everything under one home."""

    home: Path
    faults: Faults = field(default_factory=Faults)

    @property
    def folder(self) -> Path:
        """The folder that contains each company's own."""
        return self.home / "card_companies"

    def inbox(self, network: str) -> Path:
        """The folder of files that company received."""
        return self.folder / network / INBOX

    def outbox(self, network: str) -> Path:
        """The folder of its acknowledgements."""
        return self.folder / network / OUTBOX

    def prepare(self) -> None:
        """Create folders, host key and passwords once; later starts use the same ones."""
        for network in NETWORKS:
            for folder in (self.inbox(network), self.outbox(network)):
                folder.mkdir(parents=True, exist_ok=True)
        if not self._host_key_path.exists():
            key = asyncssh.generate_private_key("ssh-ed25519", comment="card-companies")
            _write_private(self._host_key_path, key.export_private_key())
        for network in NETWORKS:
            if not self._password_path(network).exists():
                _write_private(self._password_path(network), secrets.token_urlsafe(24).encode())

    def host_key(self) -> asyncssh.SSHKey:
        """The server's own key."""
        return asyncssh.read_private_key(self._host_key_path)

    def host_key_line(self) -> str:
        """The key as a destination's secret pins it."""
        kind, key = self.host_key().export_public_key().decode().split()[:2]
        return f"{kind} {key}"

    def password(self, network: str) -> str:
        """The password of that company's only customer."""
        return self._password_path(network).read_text()

    def secret(self, network: str, port: int) -> dict[str, object]:
        """The secret with which Cardops delivers to this company."""
        return {
            "protocol": "sftp",
            "host": _HOST,
            "port": port,
            "username": network,
            "password": self.password(network),
            "host_key": self.host_key_line(),
            "folder": f"/{INBOX}",
            "outbound_folder": f"/{OUTBOX}",
            "simulated": True,
        }

    def introduce(self, store: SecretStore, port: int) -> None:
        """Write every company's secret, so that deliveries find this server.

        A destination that an operator added is never replaced.
        """
        for network in NETWORKS:
            known = store.get(f"destinations/{network}")
            if known is None or self._is_simulated(network, known):
                store.put(f"destinations/{network}", self.secret(network, port))

    def _is_simulated(self, network: str, secret: Mapping[str, object]) -> bool:
        """Whether this server wrote the secret; the first ones were not marked as such."""
        return bool(secret.get("simulated")) or secret.get("password") == self.password(network)

    @property
    def _host_key_path(self) -> Path:
        return self.folder / "host_key"

    def _password_path(self, network: str) -> Path:
        return self.folder / f"{network}.password"


class _LoginServer(asyncssh.SSHServer):
    """Authenticates each company's customer by password only."""

    def __init__(self, companies: CardCompanies) -> None:
        self._companies = companies

    @override
    def begin_auth(self, username: str) -> bool:
        return True

    @override
    def password_auth_supported(self) -> bool:
        return True

    @override
    def validate_password(self, username: str, password: str) -> bool:
        if username not in NETWORKS:
            return False
        return secrets.compare_digest(password, self._companies.password(username))


class _Folder(asyncssh.SFTPServer):
    """One company's folder; its customer sees nothing else."""

    def __init__(self, companies: CardCompanies, channel: "asyncssh.SSHServerChannel[bytes]"):
        network = channel.get_extra_info("username")
        self._root_path = companies.folder / network
        self._faults = companies.faults
        super().__init__(channel, chroot=os.fsencode(self._root_path))

    @override
    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> Any:
        if self._faults.refuses_reading and pflags & asyncssh.FXF_READ:
            raise asyncssh.SFTPPermissionDenied("reading is not permitted")
        if self._faults.refuses_writing and pflags & asyncssh.FXF_WRITE:
            raise asyncssh.SFTPPermissionDenied("writing is not permitted")
        return super().open(path, pflags, attrs)

    @override
    def write(self, file_obj: object, offset: int, data: bytes) -> int:
        """Fails as a full disk does, without a reason, where the quota is exceeded."""
        quota = self._faults.quota_bytes
        if quota is not None and offset + len(data) > quota:
            raise asyncssh.SFTPFailure("Failure")
        return int(super().write(file_obj, offset, data))  # type: ignore[arg-type] # opaque handle

    @override
    def close(self, file_obj: object) -> None:
        """Keeps half of what it has confirmed, as a disk does that is full when caches are flushed."""
        file: Any = file_obj
        if self._faults.loses_the_end and file.writable():
            file.truncate(file.seek(0, os.SEEK_END) // 2)
        super().close(file_obj)

    @override
    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        self._check_rename()
        super().rename(oldpath, newpath)
        self._received(newpath)

    @override
    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        self._check_rename()
        super().posix_rename(oldpath, newpath)
        self._received(newpath)

    @override
    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        async for entry in super().scandir(path):
            yield entry
        if self._local(path) == self._root_path / OUTBOX:
            show_late(self._root_path)

    def _received(self, path: bytes) -> None:
        """The control file comes last: the pair is complete."""
        local = self._local(path)
        if local.parent == self._root_path / INBOX and local.name.endswith(CONTROL_SUFFIX):
            acknowledge(self._root_path, local)

    def _local(self, path: bytes) -> Path:
        return Path(os.fsdecode(self.map_path(path)))

    def _check_rename(self) -> None:
        if self._faults.refuses_renames:
            raise asyncssh.SFTPPermissionDenied("renaming is not permitted")


async def serve(
    companies: CardCompanies, port: int, *, on_open: Callable[[int], None], stop: asyncio.Event
) -> None:
    """Serve until `stop` is set; port 0 picks a free one. `on_open` is called with the port."""
    companies.prepare()
    for network in NETWORKS:
        acknowledge_missing(companies.folder / network)
    listener = await asyncssh.listen(
        _HOST,
        port,
        server_factory=lambda: _LoginServer(companies),
        server_host_keys=[companies.host_key()],
        sftp_factory=lambda channel: _Folder(companies, channel),
        allow_scp=False,
    )
    on_open(listener.get_port())
    await stop.wait()
    # Not awaited: from Python 3.12 on that would wait until the last customer disconnects.
    listener.close()


async def _serve_until_signalled(
    companies: CardCompanies, port: int, on_open: Callable[[int], None]
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for ending in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(ending, stop.set)
    await serve(companies, port, on_open=on_open, stop=stop)


def run(home: Path, port: int, store: SecretStore | None, faults: Faults | None = None) -> None:
    """Serve until SIGTERM or SIGINT; writes the companies' secrets where a store is given.

    Prints one line, `port <number>`, once it accepts connections.
    """
    companies = CardCompanies(home, faults or Faults())

    def on_open(open_port: int) -> None:
        if store is not None:
            companies.introduce(store, open_port)
        sys.stdout.write(f"port {open_port}\n")
        sys.stdout.flush()

    asyncio.run(_serve_until_signalled(companies, port, on_open))


def _write_private(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)


def main() -> None:
    """`python -m simulation.card_companies --home DIR [--port N] [--introduce]`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument(
        "--introduce", action="store_true", help="write the destinations' secrets of this instance"
    )
    parser.add_argument("--quota-bytes", type=int)
    parser.add_argument("--refuse-renames", action="store_true")
    parser.add_argument("--refuse-reading", action="store_true")
    parser.add_argument("--lose-the-end", action="store_true")
    parser.add_argument("--refuse-writing", action="store_true")
    given = parser.parse_args()
    run(
        given.home,
        given.port,
        Adapters(Settings.load()).secrets if given.introduce else None,
        Faults(
            given.quota_bytes,
            given.refuse_renames,
            given.refuse_reading,
            given.lose_the_end,
            given.refuse_writing,
        ),
    )


if __name__ == "__main__":
    main()
