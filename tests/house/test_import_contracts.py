"""Each import contract of pyproject.toml notices a violation planted in a copy of the code."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
NAMES = {contract["id"]: contract["name"] for contract in SETTINGS["contracts"]}

# Contract -> the module that breaks it, and the import with which it does.
PLANTED = {
    "layers": ("cardops/rules/money.py", "import cardops.ports"),
    "bootstrap-names-adapters": ("simulation/chance.py", "import cardops.adapters.clock"),
    "assets-ask-for-ports": ("sensors/run_failure.py", "import cardops.bootstrap"),
    "services-are-use-cases": ("cardops/services/intake/ingestion.py", "import psycopg"),
    "authorizer-starts-fast": ("authorizer/logs.py", "import polars"),
    "contracts-do-no-io": ("cardops/contracts/judging/checks.py", "import duckdb"),
    "rules-are-plain": ("cardops/rules/currencies.py", "import pydantic"),
    "library-knows-no-framework": ("cardops/adapters/clock.py", "import typer"),
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What lint-imports says of a copy that breaks every contract once."""
    copy = tmp_path_factory.mktemp("copy")
    shutil.copy(ROOT / "pyproject.toml", copy)
    for package in SETTINGS["root_packages"]:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, copy / package, ignore=ignored)
    for module, statement in PLANTED.values():
        with (copy / module).open("a") as code:
            code.write(f"\n{statement}\n")
    done = subprocess.run(
        [str(LINT_IMPORTS), "--no-cache"],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": str(copy), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def test_every_import_contract_has_a_planted_violation() -> None:
    assert PLANTED.keys() == NAMES.keys()


@pytest.mark.parametrize("contract", NAMES)
def test_import_contract_notices_a_violation(report: str, contract: str) -> None:
    module, statement = PLANTED[contract]
    importer = module.removesuffix(".py").replace("/", ".")
    imported = statement.removeprefix("import ")

    assert f"{NAMES[contract]} BROKEN" in report
    assert f"{importer} -> {imported}" in report
