"""Installs a hashed lock file and Cardops itself into the environment of this interpreter.

uv does it in seconds: the one on the PATH, else the one that pip installs beside this interpreter.
uv reads none of pip's configuration, so mirrors, certificates and extra indexes are handed on to
it; where uv cannot be had, or fails, pip installs the same files. Hashes are required either way,
and nothing is resolved: the lock is complete. Standard library only: this runs before anything is
installed.

Usage: `.venv/bin/python deploy/install.py requirements.lock`
"""

import compileall
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PIP = [sys.executable, "-m", "pip"]
QUIET = ["-qq", "--disable-pip-version-check"]
# pip's setting -> uv's environment variable.
UV_VARIABLES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "no-index": "UV_NO_INDEX",
    "cert": "SSL_CERT_FILE",
}
# Never imported by Cardops, and a third of all bytecode.
NOT_COMPILED = re.compile(r"[/\\](tests|pip)[/\\]")


def main() -> None:
    """Install the lock that the command line names, then Cardops, then compile to bytecode."""
    lock = sys.argv[1]
    if not _install_with_uv(lock):
        sys.stderr.write(
            "uv is not available; installing with pip, which takes about two minutes\n"
        )
        _install_with_pip(lock)
    # Without bytecode importing Dagster takes twice as long; all cores compile it.
    library = sysconfig.get_path("purelib")
    compileall.compile_dir(library, quiet=2, workers=0, rx=NOT_COMPILED)


def _install_with_uv(lock: str) -> bool:
    """False where there is no uv or it fails: then pip says what is wrong, in its own words."""
    uv = _uv_on_path() or _uv_from_pip()
    if uv is None:
        return False
    install = [uv, "pip", "install", "--quiet", "--python", sys.executable, "--no-deps"]
    commands = [
        [*install, "--require-hashes", "-r", lock],
        [*install, "--no-build-isolation", "-e", str(ROOT)],
    ]
    environment = {**uv_environment(), **os.environ}
    return all(_succeeds(command, environment) for command in commands)


def _install_with_pip(lock: str) -> None:
    install = [*PIP, "install", *QUIET, "--no-deps", "--no-compile"]
    subprocess.run([*install, "--require-hashes", "-r", lock], check=True)  # noqa: S603 - our own command
    subprocess.run([*install, "--no-build-isolation", "-e", str(ROOT)], check=True)  # noqa: S603 - as above


def _uv_on_path() -> str | None:
    """The uv of this machine, if it runs: a version manager's shim may exist and not run."""
    uv = shutil.which("uv")
    return uv if uv and _succeeds([uv, "--version"], os.environ) else None


def _uv_from_pip() -> str | None:
    lock = ROOT / "deploy" / "installer.lock"
    install = [*PIP, "install", *QUIET, "--no-deps", "--require-hashes", "-r", str(lock)]
    uv = Path(sysconfig.get_path("scripts")) / ("uv.exe" if os.name == "nt" else "uv")
    return str(uv) if uv.exists() or _succeeds(install, os.environ) else None


def uv_environment() -> dict[str, str]:
    """Pip's configuration, its files and PIP_ variables together, as variables of uv."""
    listed = subprocess.run([*PIP, "config", "list"], capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    settings: dict[str, str] = {}
    for line in listed.stdout.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        # A PIP_ variable wins over the files, and [install] over [global].
        if key in UV_VARIABLES and (key not in settings or section != "global"):
            settings[key] = value.strip("'")
    variables = {UV_VARIABLES[key]: value for key, value in settings.items() if value}
    if "UV_FIND_LINKS" in variables:  # white space between several in pip, commas in uv
        variables["UV_FIND_LINKS"] = ",".join(variables["UV_FIND_LINKS"].split())
    # Several indexes are one to pip; the hashes decide which file is the right one.
    return {"UV_INDEX_STRATEGY": "unsafe-best-match", **variables}


def _succeeds(command: list[str], environment: Mapping[str, str]) -> bool:
    try:
        done = subprocess.run(command, env=environment, capture_output=True, check=False)  # noqa: S603 - our own command
    except OSError:
        return False
    return done.returncode == 0


if __name__ == "__main__":
    main()
