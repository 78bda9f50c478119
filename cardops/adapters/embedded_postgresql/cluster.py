"""Runs PostgreSQL's programs: initdb once, pg_ctl start and stop, and recovery after a crash."""

import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from cardops.adapters.embedded_postgresql.binaries import choose_binaries, data_major, major_of
from cardops.adapters.embedded_postgresql.places import SOCKET_NAME, Places
from cardops.adapters.postgresql.errors import DatabaseUnavailableError

PROGRAM_WAIT_SECONDS: Final = 300
# How long the backends of a killed server may take to notice and exit.
ORPHANS_TIMEOUT_SECONDS: Final = 60
# Why a start after a kill may fail once: processes of the killed server still end; or recovery made
# the initial fork of an unlogged table again whose creation had been rolled back, and finds the main
# one. That recovery has removed it for the next.
_PASSING: Final = ("still in use", "File exists")
FIRST_WITH_SCRAM_ITERATIONS: Final = 16  # major version of PostgreSQL
WAL_SEGMENT_BYTES: Final = 16 * 1024 * 1024
SERVER_SETTINGS: Final = {
    "listen_addresses": "",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Enough for a million accounts and their index; memory is allocated as it is used.
    "shared_buffers": "256MB",
    # A bulk load of deposits must not trigger a checkpoint every few seconds.
    "max_wal_size": "2GB",
    # Otherwise a commit waits while a new 16 MB segment of the log is filled with zeros.
    "wal_init_zero": "off",
    "log_min_messages": "warning",
    # On a full disk recovery crashes, and PostgreSQL would begin it again without end: `pg_ctl`
    # waits and nobody is told. Once it ends, ServerWatch tells why and starts it, with pauses.
    "restart_after_crash": "off",
    # After a crash all files must be on disk before recovery: flushing the file system once takes a
    # tenth of the time that opening and flushing each of a thousand files takes.
    **({"recovery_init_sync_method": "syncfs"} if sys.platform == "linux" else {}),
}


class Cluster:
    """One data directory and the programs that serve it."""

    def __init__(self, places: Places, postgres_bin: Path | None) -> None:
        self.places = places
        self._postgres_bin = postgres_bin

    def password(self) -> str:
        """The password of user `cardops`."""
        try:
            return self.places.password_file.read_text()
        except FileNotFoundError:
            raise DatabaseUnavailableError(
                f"The embedded database's password is not in {self.places.password_file}; "
                "restore that file."
            ) from None

    def initialize(self) -> None:
        """Create the data directory once; an unfinished one that a crash left is replaced."""
        if self.places.data.exists():
            return
        self.places.password_file.unlink(missing_ok=True)
        write_private(self.places.password_file, secrets.token_hex(24))
        unfinished = self.places.cluster / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        password_copy = self.places.cluster / "password"
        password_copy.unlink(missing_ok=True)
        write_private(password_copy, self.password())
        self.places.user.own(password_copy)
        self._call(
            "initdb",
            "--username=cardops",
            f"--pwfile={password_copy}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--data-checksums",
            f"--pgdata={unfinished}",
            *self._password_settings(),
        )
        password_copy.unlink()
        unfinished.rename(self.places.data)

    def _password_settings(self) -> tuple[str, ...]:
        """Hash the password once instead of 4,096 times, where PostgreSQL can (16 and later).

        Iterations slow down whoever guesses short passwords; this one is 192 random bits. They cost
        each new connection 7 ms, and Dagster's storage opens one for every event.
        """
        major = major_of(choose_binaries(self.places.data, self._postgres_bin))
        return ("--set=scram_iterations=1",) if major >= FIRST_WITH_SCRAM_ITERATIONS else ()

    def start(self) -> None:
        """Start it and wait until it accepts connections, also with a dead server's stale pid file."""
        self._forget_foreign_pid()
        options = {**SERVER_SETTINGS, "unix_socket_directories": str(self.places.socket_directory)}
        flags = " ".join(shlex.quote(f"--{name}={value}") for name, value in options.items())
        deadline = time.monotonic() + ORPHANS_TIMEOUT_SECONDS
        while True:
            log_start = self.places.log.stat().st_size if self.places.log.exists() else 0
            try:
                self._control("start", "-l", str(self.places.log), "-o", flags)
            except DatabaseUnavailableError:
                output = self._log_since(log_start)
                is_passing = any(sign in output for sign in _PASSING)
                if not is_passing or time.monotonic() > deadline:
                    raise DatabaseUnavailableError(self._why_not(output)) from None
                time.sleep(0.2)
            else:
                return

    def stop(self) -> None:
        """Stop it and wait. Safe to call where no server runs."""
        if self.is_alive():
            try:
                self._control("stop", "-m", "fast")
            except DatabaseUnavailableError:
                if (
                    self.is_alive()
                ):  # else it ended by itself meanwhile, as one does that cannot start
                    raise

    def is_alive(self) -> bool:
        """Whether a process serves this data directory, also while it starts or stops."""
        return self.server_pid() is not None

    def server_pid(self) -> int | None:
        """The process that serves this data directory, also while it starts or stops."""
        pid = self._recorded_pid()
        return pid if pid is not None and self._is_ours(pid) else None

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Kill the server process, for tests of crash recovery."""
        pid = self.server_pid()
        if pid is not None:
            os.kill(pid, number)

    def _recorded_pid(self) -> int | None:
        try:
            return int((self.places.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None

    def _is_ours(self, pid: int) -> bool:
        program, *arguments = _command_of(pid)
        return program.endswith("postgres") and str(self.places.data) in arguments

    def _forget_foreign_pid(self) -> None:
        """Remove a dead server's pid files where another process now has its process id.

        PostgreSQL only checks that the process exists, and would refuse to start. It also refuses
        an empty file, which a full disk leaves.
        """
        if self.server_pid() is None:
            (self.places.data / "postmaster.pid").unlink(missing_ok=True)
            (self.places.socket_directory / f"{SOCKET_NAME}.lock").unlink(missing_ok=True)

    def _control(self, action: str, *options: str) -> None:
        data = ("-D", str(self.places.data))
        self._call("pg_ctl", action, *data, "-w", "-t", str(PROGRAM_WAIT_SECONDS), *options)

    def _call(self, program: str, *arguments: str) -> None:
        installed = choose_binaries(self.places.data, self._postgres_bin)
        major = data_major(self.places.data) or major_of(installed)
        directory = self.places.programs(installed, major)
        code, output = self.places.user.run(
            [directory / program, *arguments], cwd=self.places.cluster
        )
        if code != 0:
            raise DatabaseUnavailableError(self._why_not(output))

    def _log_since(self, position: int) -> str:
        if not self.places.log.exists():  # a full disk has no room for it
            return ""
        with self.places.log.open("rb") as log:
            log.seek(position)
            return log.read().decode(errors="replace")

    def _why_not(self, output: str) -> str:
        lines = [line.strip() for line in output.splitlines() if line.strip()]
        telling = [line for line in lines if "FATAL" in line or "error:" in line] or lines[-1:]
        reason = telling[0] if telling else "it gave no reason"
        # A full disk may cut short the very lines of the log that would name it.
        is_full = (
            "No space left" in output or "wrote only" in output or is_disk_full(self.places.cluster)
        )
        if is_full and "No space left" not in reason:
            reason += " (No space left on device)"
        hint = "free some disk space" if is_full else f"see {self.places.log}"
        return f"The embedded database cannot be started: {reason}; {hint}."


def is_disk_full(place: Path) -> bool:
    """Whether a server there has no room for the next piece of its log of changes."""
    return shutil.disk_usage(place).free < WAL_SEGMENT_BYTES


def write_private(path: Path, text: str) -> None:
    """Create a file that only its owner may read; it is on disk when this returns."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _command_of(pid: int) -> list[str]:
    """Program and arguments of a running process; one empty word for a missing one or a zombie."""
    if Path("/proc/self/cmdline").exists():
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        except OSError:
            return [""]
        return command.split("\0")
    ps = ["ps", "-o", "command=", "-p", str(pid)]
    listed = subprocess.run(  # noqa: S603 - a fixed program, a number as its argument
        ps, capture_output=True, text=True, check=False
    )
    return listed.stdout.split() or [""]
