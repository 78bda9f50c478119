"""dbt as a program: where its project is, and a manifest that is as new as the project.

Belongs here: running dbt itself, without network and without telemetry. Dagster's side is in
assets/marts.py. Set-up runs `python -m cardops.adapters.warehouse.dbt`, which makes the manifest, so
that loading the definitions does not parse the project.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cardops.adapters.file_locks import exclusive_lock
from cardops.rules.errors import ExplainedError

PROJECT_DIR: Final = Path(__file__).resolve().parents[3] / "dbt_project"
PARSE_TIMEOUT_SECONDS: Final = 300
BUILD_TIMEOUT_SECONDS: Final = 3600
# The tables of the rules are the project's seeds.
_PARTS: Final = ("models", "macros", "tests", "../cardops/rules/data")


class DbtFailedError(ExplainedError, RuntimeError):
    """dbt failed; the message has its output."""


def ensure_manifest(project: Path = PROJECT_DIR) -> Path:
    """The project's manifest, parsed anew where it is missing or older than the project.

    Raises DbtFailedError.
    """
    manifest = project / "target" / "manifest.json"
    manifest.parent.mkdir(exist_ok=True)
    with exclusive_lock(project / "target" / "manifest.lock"):
        if not _is_fresh(manifest, project):
            run_dbt(["parse", "--quiet"], {"DBT_TARGET_PATH": str(manifest.parent)}, project)
    return manifest


def dbt_command() -> tuple[str, ...]:
    """The dbt that is installed beside this interpreter, whatever the PATH says."""
    return (sys.executable, "-P", "-m", "cardops.adapters.warehouse.dbt_process")


def project_environment(project: Path = PROJECT_DIR) -> dict[str, str]:
    """Variables that tell dbt where the project is."""
    return {
        "DBT_PROJECT_DIR": str(project),
        "DBT_PROFILES_DIR": str(project),
        "DBT_LOG_PATH": str(project / "target"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }


def build_report_marts(environment: Mapping[str, str]) -> None:
    """Build what the daily report reads, without tests. Raises DbtFailedError."""
    arguments = ["build", "--quiet", "--select", "+exposure:daily_report"]
    without = ["--exclude-resource-type", "test", "--exclude-resource-type", "unit_test"]
    run_dbt([*arguments, *without], environment, timeout_seconds=BUILD_TIMEOUT_SECONDS)


def project_files(project: Path = PROJECT_DIR) -> list[Path]:
    """The files and folders that the project is made of."""
    found = [project / "dbt_project.yml", project / "profiles.yml"]
    for part in _PARTS:
        found += [path for path in (project / part).rglob("*") if path.suffix != ".pyc"]
    return found


def run_dbt(
    arguments: list[str],
    environment: Mapping[str, str],
    project: Path = PROJECT_DIR,
    *,
    timeout_seconds: float = PARSE_TIMEOUT_SECONDS,
) -> None:
    """Run dbt on the project with this environment. Raises DbtFailedError."""
    done = subprocess.run(  # noqa: S603 - our own interpreter and arguments
        [*dbt_command(), *arguments],
        cwd=project,
        env={**os.environ, **project_environment(project), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_seconds,
    )
    if done.returncode:
        output = (done.stdout + done.stderr).strip()
        raise DbtFailedError(f"dbt {arguments[0]} failed in {project}: {output}")


def _is_fresh(manifest: Path, project: Path) -> bool:
    if not manifest.exists():
        return False
    # Folders too: a file that was removed leaves its folder newer.
    return manifest.stat().st_mtime >= max(path.stat().st_mtime for path in project_files(project))


if __name__ == "__main__":
    ensure_manifest()
