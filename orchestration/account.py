"""Who runs this process, for what is recorded of a change."""

import getpass
import os
import socket


def whoami() -> str:
    """The user and machine that are recorded as having made a change."""
    return f"{_user()}@{socket.gethostname()}"


def _user() -> str:
    """The account's name; its number where it has none, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"
