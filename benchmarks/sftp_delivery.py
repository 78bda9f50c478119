"""A large file to a local OpenSSH server: our session against paramiko's bare `put` and OpenSSH's `sftp`.

MB/s of wall time, since client and server work at once; each round opens a connection of its own, which
is in the time of all sides alike. `CARDOPS_BENCH_SFTP_MB` sets the size of the file.
"""

import getpass
import hashlib
import io
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import asyncssh
import paramiko

from benchmarks.harness import Benchmark, Sides
from cardops.adapters.file_delivery.destinations import open_session
from cardops.adapters.file_delivery.timeouts import Timeouts
from cardops.rules.deliveries.destinations import Destination, Protocol

MEGABYTES: Final = int(os.environ.get("CARDOPS_BENCH_SFTP_MB", "200"))
_SSHD: Final = shutil.which("sshd") or "/usr/sbin/sshd"
_START_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class _Setting:
    """A server, and a file to be sent to it."""

    destination: Destination
    key_file: Path
    source: Path
    sha256: str

    @property
    def target(self) -> str:
        return self.destination.path("file.part")


@contextmanager
def _setting() -> Iterator[_Setting]:
    with TemporaryDirectory(prefix="cardops-bench-") as folder:
        home = Path(folder)
        source, inbox = home / "source", home / "inbox"
        inbox.mkdir()
        content = os.urandom(MEGABYTES * 1_000_000)
        source.write_bytes(content)
        host_key, user_key = _key(home / "host_key"), _key(home / "user_key")
        (home / "authorized_keys").write_bytes(user_key.export_public_key())
        with _sshd(home) as port:
            destination = Destination(
                name="bench",
                protocol=Protocol.SFTP,
                host="127.0.0.1",
                port=port,
                username=getpass.getuser(),
                folder=str(inbox),
                private_key=user_key.export_private_key().decode(),
                host_key=host_key.export_public_key().decode(),
            )
            sha256 = hashlib.sha256(content).hexdigest()
            yield _Setting(destination, home / "user_key", source, sha256)


def _ours(setting: _Setting, *, is_verified: bool) -> None:
    """Written and its size looked at, as `put` does; or read back and renamed too, as a delivery is."""
    with closing(open_session(setting.destination, Timeouts())) as session:
        with setting.source.open("rb") as content:
            session.write(setting.target, content)
        found = session.stat(setting.target)
        if found is None or found.size_bytes != setting.source.stat().st_size:
            raise RuntimeError("the file is incomplete")
        if is_verified:
            if session.read_sha256(setting.target) != setting.sha256:
                raise RuntimeError("the file reads back with other content")
            session.rename(setting.target, setting.destination.path("file"))
            session.remove(setting.destination.path("file"))


def _paramiko_put(setting: _Setting) -> None:
    key = paramiko.Ed25519Key.from_private_key(io.StringIO(setting.destination.private_key or ""))
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect(
            setting.destination.host,
            setting.destination.port,
            setting.destination.username,
            pkey=key,
            allow_agent=False,
            look_for_keys=False,
        )
        client.open_sftp().put(str(setting.source), setting.target)


def _openssh_put(setting: _Setting) -> None:
    subprocess.run(  # noqa: S603 - our own arguments
        [
            shutil.which("sftp") or "/usr/bin/sftp",
            *("-q", "-b", "-", "-P", str(setting.destination.port), "-i", str(setting.key_file)),
            *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
            f"{setting.destination.username}@{setting.destination.host}",
        ],
        input=f"put {setting.source} {setting.target}\n".encode(),
        check=True,
        capture_output=True,
    )


def _speed(setting: _Setting, send: Callable[[], None]) -> float:
    begun = time.perf_counter()
    send()
    return setting.source.stat().st_size / (time.perf_counter() - begun) / 1_000_000


def _against(
    limit: Callable[[_Setting], None], *, is_verified: bool = False
) -> Callable[[], AbstractContextManager[Sides]]:
    @contextmanager
    def sides() -> Iterator[Sides]:
        with _setting() as setting:
            yield Sides(
                lambda: _speed(setting, lambda: _ours(setting, is_verified=is_verified)),
                lambda: _speed(setting, lambda: limit(setting)),
            )

    return sides


@contextmanager
def _sshd(home: Path) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    (home / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {home}/host_key\n"
        f"AuthorizedKeysFile {home}/authorized_keys\nPidFile none\nUsePAM no\nStrictModes no\n"
        "PermitRootLogin yes\nPasswordAuthentication no\nSubsystem sftp internal-sftp\n"
    )
    with suppress(PermissionError):
        Path("/run/sshd").mkdir(exist_ok=True)
    command = [_SSHD, "-D", "-e", "-f", str(home / "sshd_config")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:  # noqa: S603 - our own arguments
        try:
            _wait_for(port)
            yield port
        finally:
            server.terminate()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError("sshd does not start; Debian's package openssh-server has it.")


def _key(path: Path) -> asyncssh.SSHKey:
    key = asyncssh.generate_private_key("ssh-ed25519")
    path.touch(mode=0o600)
    path.write_bytes(key.export_private_key())
    return key


BENCHMARKS = [
    Benchmark("sftp_vs_paramiko_put", "MB/s", ">= 0.9", _against(_paramiko_put), rounds=5),
    Benchmark("sftp_vs_openssh_put", "MB/s", "what is reached", _against(_openssh_put), rounds=5),
    Benchmark(
        "sftp_verified_vs_paramiko_put",
        "MB/s",
        "what reading back costs",
        _against(_paramiko_put, is_verified=True),
        rounds=5,
    ),
]
