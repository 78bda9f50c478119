"""Installs a hashed lock file and Cardops itself into the environment of this interpreter.

uv does it in seconds: the one on the PATH, else the one that pip installs beside this interpreter.
uv reads none of pip's configuration, so mirrors, certificates and extra indexes are handed on to
it; where uv cannot be had, or fails, pip installs the same files. Hashes are required either way,
and nothing is resolved: the lock is complete. Standard library only: this runs before anything is
installed.

Usage: `.venv/bin/python deploy/install.py requirements.lock`, or with the interpreter of another
environment behind it, which gets the packages of the lock alone.
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
    lock, *others = sys.argv[1:]
    python = others[0] if others else sys.executable
    installs = _lock_alone(lock) if others else _lock_and_cardops(lock)
    if not _install_with_uv(python, installs):
        sys.stderr.write(
            "uv is not available; installing with pip, which takes about two minutes\n"
        )
        _install_with_pip(python, installs)
    if others:
        return
    # Without bytecode importing Dagster takes twice as long; all cores compile it.
    library = sysconfig.get_path("purelib")
    compileall.compile_dir(library, quiet=2, workers=0, rx=NOT_COMPILED)


def _lock_and_cardops(lock: str) -> list[list[str]]:
    """What either installer is told, one command after the other."""
    return [["--require-hashes", "-r", lock], ["--no-build-isolation", "-e", str(ROOT)]]


def _lock_alone(lock: str) -> list[list[str]]:
    """A package that is there as source is built with what is installed: nothing comes without a hash."""
    return [["--require-hashes", "--no-build-isolation", "-r", lock]]


def _install_with_uv(python: str, installs: list[list[str]]) -> bool:
    """False where there is no uv or it fails: then pip says what is wrong, in its own words."""
    uv = _uv_on_path() or _uv_from_pip()
    if uv is None:
        return False
    install = [uv, "pip", "install", "--quiet", "--python", python, "--no-deps"]
    environment = {**uv_environment(), **os.environ}
    return all(_succeeds([*install, *arguments], environment) for arguments in installs)


def _install_with_pip(python: str, installs: list[list[str]]) -> None:
    install = [python, "-m", "pip", "install", *QUIET, "--no-deps", "--no-compile"]
    for arguments in installs:
        subprocess.run([*install, *arguments], check=True)  # noqa: S603 - our own command


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
