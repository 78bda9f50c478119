"""The user of the embedded server: our own, or an unprivileged one if we are root.

PostgreSQL refuses to run as root. Belongs here: running its programs, and checking what that user
can reach.
"""

import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# `nobody` on every Linux distribution; no user is ever made for us.
UNPRIVILEGED_UID: Final = 65534
PROGRAM_TIMEOUT_SECONDS: Final = 330


@dataclass(frozen=True, slots=True)
class ServerUser:
    """Runs programs as the user that owns the cluster. `uid` is None for ourselves."""

    uid: int | None

    @classmethod
    def for_cluster(cls, data: Path) -> "ServerUser":
        """Our own user, unless we are root: then the owner of the data, or `nobody`."""
        if os.geteuid() != 0:
            return cls(None)
        owner = data.stat().st_uid if data.exists() else 0
        return cls(owner or UNPRIVILEGED_UID)

    def run(self, command: Sequence[str | Path], *, cwd: Path) -> tuple[int, str]:
        """Run a program to its end, without our terminal and our PG* variables.

        Returns its exit code and its output. The output goes through a file, because a server that
        the program starts would hold a pipe open for ever.
        """
        with tempfile.TemporaryFile("w+") as output:
            result = subprocess.run(  # noqa: S603 - our own programs, no shell
                [str(part) for part in command],
                cwd=cwd,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                timeout=PROGRAM_TIMEOUT_SECONDS,
                check=False,
                user=self.uid,
                group=self.uid,
                extra_groups=None if self.uid is None else [],
            )
            output.seek(0)
            return result.returncode, output.read()

    def can_enter(self, directory: Path) -> bool:
        """Whether this user may enter the directory, found by trying."""
        if self.uid is None:
            return True
        command = ["/bin/sh", "-c", 'cd -- "$0"', str(directory)]
        trial = subprocess.run(  # noqa: S603 - the shell gets the path as a value
            command, cwd="/", user=self.uid, group=self.uid, capture_output=True, check=False
        )
        return trial.returncode == 0

    def own(self, path: Path) -> Path:
        """Make the path private to this user."""
        if self.uid is not None:
            os.chown(path, self.uid, self.uid, follow_symlinks=False)
        path.chmod(0o700)
        return path


# Returning memory to the system after each statement and requesting it again at the next one costs
# a twentieth of a batch's time.
_MEMORY_SETTINGS: Final = {"MALLOC_TOP_PAD_": str(2**20), "MALLOC_TRIM_THRESHOLD_": str(2**23)}


def _environment() -> dict[str, str]:
    passed_on = {
        name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ
    }
    return {**passed_on, **_MEMORY_SETTINGS, "LC_ALL": "C", "TZ": "UTC"}
