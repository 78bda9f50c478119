"""The adapters of this instance, as Dagster's processes build them.

Settings are read when a resource is made, never at import. AWS clients come from `dagster_aws`,
DuckDB sessions from `dagster_duckdb`.
"""

import os
from functools import lru_cache
from pathlib import Path
from typing import Final

from cardops.bootstrap import Adapters, keep_sessions
from cardops.settings import Settings
from resources.aws import DagsterAwsClients
from resources.duckdb_sessions import DagsterDuckDbSessions

PREFIX: Final = "CARDOPS_"


def adapters() -> Adapters:
    """Adapters for one resource of one run or tick.

    A tick makes ten of them every few seconds, so what they read and open is kept for the next.
    """
    keep_sessions()
    return Adapters(_settings(), aws=DagsterAwsClients(), duckdb=DagsterDuckDbSessions())


def _settings() -> Settings:
    """As they are now; they are read again only where what they are read from has changed."""
    variables = ((name, value) for name, value in os.environ.items() if _is_ours(name))
    folder = Path.cwd()  # a home may be relative
    try:
        written = (folder / ".env").stat()
        file = (written.st_mtime_ns, written.st_size, written.st_ino)
    except OSError:
        file = None
    return _loaded((folder, file, *sorted(variables)))


def _is_ours(name: str) -> bool:
    return name.upper().startswith(PREFIX)  # pydantic takes them in either case


@lru_cache(maxsize=8)
def _loaded(_read_from: tuple[object, ...]) -> Settings:
    return Settings.load()
