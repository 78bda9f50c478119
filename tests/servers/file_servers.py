"""Real file servers for tests, each a process or thread of its own on a free port."""

import getpass
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import asyncssh
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from simulation.card_companies import CardCompanies

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
def openssh(home: Path) -> Iterator[Server]:
    """A real OpenSSH server run by the current user, with a key for its only user."""
    home.mkdir(parents=True, exist_ok=True)
    inbox = home / "inbox"
    inbox.mkdir()
    host_key, user_key = _key(home / "host_key"), _key(home / "user_key")
    (home / "authorized_keys").write_bytes(user_key.export_public_key())
    port = free_port()
    (home / "sshd_config").write_text(_sshd_config(home, port))
    with suppress(PermissionError):
        Path("/run/sshd").mkdir(exist_ok=True)
    command = [SSHD, "-D", "-e", "-f", str(home / "sshd_config")]
    with (home / "sshd.log").open("w") as log, subprocess.Popen(command, stderr=log) as server:
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
            server.terminate()
            server.wait(timeout=60)


@contextmanager
def ftps(home: Path) -> Iterator[Server]:
    """A server that speaks FTP with TLS only, on both connections."""
    inbox = home / "inbox"
    inbox.mkdir(parents=True)
    certificate = write_certificate(home / "server.pem")
    program = Path(__file__).with_name("ftps_server.py")
    command = [sys.executable, "-W", "ignore", str(program), str(home)]
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


def _sshd_config(home: Path, port: int) -> str:
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
Subsystem sftp internal-sftp
"""
