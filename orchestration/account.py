"""Who runs this process, for what is recorded of a change."""

import getpass
import socket


def whoami() -> str:
    """The user and machine that are recorded as having made a change."""
    return f"{getpass.getuser()}@{socket.gethostname()}"
