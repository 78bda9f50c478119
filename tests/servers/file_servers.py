"""Real file servers for tests, each a process or thread of its own on a free port."""

import asyncio
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from threading import Thread
from typing import Any

import asyncssh
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from simulation.card_companies import CardCompanies, Faults, serve

ROOT = Path(__file__).resolve().parents[2]
SSHD = shutil.which("sshd") or "/usr/sbin/sshd"


@dataclass(frozen=True)
class Server:
    """Its destination secret, and the folder on this disk where deliveries land."""

    secret: dict[str, object]
    inbox: Path

    @property
    def port(self) -> int:
        return int(str(self.secret["port"]))


@contextmanager
def card_companies(home: Path, *faults: str) -> Iterator[Server]:
    """The simulated card companies; `faults` are flags such as `--refuse-renames`."""
    command = [sys.executable, "-m", "simulation.card_companies", "--home", str(home), *faults]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline().split()[1])
            companies = CardCompanies(home)
            yield Server(companies.secret("visa", port), companies.inbox("visa"))
        finally:
            server.terminate()
            assert server.wait(timeout=60) == 0, "the card companies did not end cleanly"


@contextmanager
def openssh(
    home: Path,
    sftp_options: str = "",
    max_file_bytes: int | None = None,
    port: int | None = None,
) -> Iterator[Server]:
    """A real OpenSSH server run by the current user, with a key for its only user.

    Started again in the same home it has new keys, and the files that were delivered.

    `sftp_options` are those of sftp-server(8), such as `-R` for a read-only one. Beyond
    `max_file_bytes` its files cannot grow, which it reports as it reports a full disk.
    """
    home.mkdir(parents=True, exist_ok=True)
    inbox = home / "inbox"
    inbox.mkdir(exist_ok=True)
    host_key, user_key = _key(home / "host_key"), _key(home / "user_key")
    (home / "authorized_keys").write_bytes(user_key.export_public_key())
    port = port or free_port()
    (home / "sshd_config").write_text(_sshd_config(home, port, sftp_options))
    with suppress(PermissionError):
        Path("/run/sshd").mkdir(exist_ok=True)
    command = [SSHD, "-D", "-e", "-f", str(home / "sshd_config")]
    if max_file_bytes is not None:
        # The signal is ignored, so that a write beyond the limit fails as on a full disk.
        command = ["bash", "-c", f"trap '' XFSZ; ulimit -f {max_file_bytes >> 10}; exec \"$@\"", "-",
                   *command]  # fmt: skip
    with (
        (home / "sshd.log").open("w") as log,
        subprocess.Popen(command, stderr=log if max_file_bytes is None else None) as server,
    ):
        try:
            wait_for_port(port)
            secret: dict[str, object] = {
                "protocol": "sftp",
                "host": "127.0.0.1",
                "port": port,
                "username": getpass.getuser(),
                "private_key": user_key.export_private_key().decode(),
                "host_key": host_key.export_public_key().decode(),
                "folder": str(inbox),
            }
            yield Server(secret, inbox)
        finally:
            # Its sessions are processes of their own, which would outlive it.
            sessions = _descendants(server.pid)
            server.terminate()
            server.wait(timeout=60)
            for session in sessions:
                with suppress(ProcessLookupError):
                    os.kill(session, signal.SIGKILL)


def _descendants(process: int) -> list[int]:
    with suppress(OSError):
        text = Path(f"/proc/{process}/task/{process}/children").read_text()
        children = [int(child) for child in text.split()]
        return [*children, *(found for child in children for found in _descendants(child))]
    return []


@contextmanager
def ftps(home: Path, *options: str) -> Iterator[Server]:
    """A server that speaks FTP with TLS only, on both connections.

    `options` are those of tests/servers/ftps_server.py; other users than acme have troubles.
    """
    inbox = home / "inbox"
    inbox.mkdir(parents=True, exist_ok=True)
    certificate = write_certificate(home / "server.pem")
    program = Path(__file__).with_name("ftps_server.py")
    command = [sys.executable, "-W", "ignore", str(program), str(home), *options]
    with (
        (home / "ftps.log").open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as server,
    ):
        try:
            assert server.stdout is not None
            secret: dict[str, object] = {
                "protocol": "ftps",
                "host": "127.0.0.1",
                "port": int(server.stdout.readline().split()[1]),
                "username": "acme",
                "password": "s3cret",
                "ca_certificate": certificate,
                "folder": "/inbox",
            }
            yield Server(secret, inbox)
        finally:
            # Its library may take minutes to shut TLS connections down in order; a test server need not.
            server.kill()
            server.wait()


@contextmanager
def small_disk(inbox: Path, *, room_bytes: int) -> Iterator[None]:
    """A real disk of so many bytes below the folder; a test without the right to mount is skipped."""
    options = ["-t", "tmpfs", "-o", f"size={room_bytes}", "tmpfs", str(inbox)]
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if os.geteuid() != 0 or mount is None or umount is None:
        pytest.skip("only root mounts a small disk")
    if subprocess.run([mount, *options], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    try:
        yield
    finally:
        subprocess.run([umount, "--lazy", str(inbox)], check=True)


def write_certificate(target: Path) -> str:
    """Write a self-signed certificate for 127.0.0.1 and its key to one file; return the certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    target.write_bytes(pem + private)
    return pem.decode()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, *, timeout_seconds: float = 60) -> None:
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on {port}")


def _key(path: Path) -> asyncssh.SSHKey:
    key = asyncssh.generate_private_key("ssh-ed25519")
    path.touch(mode=0o600)
    path.write_bytes(key.export_private_key())
    return key


def _sshd_config(home: Path, port: int, sftp_options: str) -> str:
    return f"""
Port {port}
ListenAddress 127.0.0.1
HostKey {home}/host_key
AuthorizedKeysFile {home}/authorized_keys
PidFile {home}/sshd.pid
UsePAM no
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
Subsystem sftp internal-sftp {sftp_options}
"""


@contextmanager
def card_companies_here(home: Path, faults: Faults | None = None) -> Iterator[Server]:
    """The same card companies in a thread of this process, which starts at once."""
    companies = CardCompanies(home, faults or Faults())
    port, loop, stop = Future[int](), asyncio.new_event_loop(), asyncio.Event()
    thread = Thread(
        target=loop.run_until_complete,
        args=(serve(companies, 0, on_open=port.set_result, stop=stop),),
        daemon=True,
    )
    thread.start()
    try:
        yield Server(companies.secret("visa", port.result(60)), companies.inbox("visa"))
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(60)
        loop.run_until_complete(_end_connections(loop))
        loop.close()


async def _end_connections(loop: Any) -> None:  # Any: its connections are not public
    for transport in list(loop._transports.values()):
        transport.abort()
    others = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}
    await asyncio.wait(others, timeout=1) if others else None
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.sleep(0.01)
