"""Every command prints one JSON object; commands that need no Dagster are fast."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.factories.console import Console, a_home
from tests.servers.processor_time import multiples

pytestmark = [pytest.mark.database, pytest.mark.timeout(300)]

ROUNDS = 3
# Of what its packages take to import. Measured: 0.4 to 2.2 on a busy machine; with dagster_dbt about 7.
LIMIT = 3.0
LIGHT = [
    ["version"],
    ["--help"],
    ["reconcile", "--help"],
    ["key", "list"],
    ["program", "create", "light-{round}"],
    ["callbacks", "list"],
    ["deliveries", "list"],
    ["quarantine", "list"],
    ["quarantine", "waiting"],
]
OUTPUTS = [
    (["version"], {"cardops", "python"}),
    (["program", "create", "acme"], {"program", "currency", "mode", "callback_secret"}),
    (["program", "list"], {"data"}),
    (["program", "rotate-secret", "default"], {"program", "callback_secret"}),
    (["key", "create", "--name", "demo", "--test"], {"key_id", "key", "program", "scopes"}),
    (["key", "list"], {"data"}),
    (["user", "block", "u1"], {"program", "user_id", "is_blocked", "has_account"}),
    (["user", "unblock", "u1"], {"program", "user_id", "is_blocked", "has_account"}),
    (["user", "limits", "u1"], {"program", "user_id", "limits"}),
    (["program", "limits", "default"], {"program", "user_id", "limits"}),
    (["program", "safeguarding", "default", "--add", "bank-1"], {"data"}),
    (["program", "safeguarding", "default", "--remove", "bank-1"], {"data"}),
    (["program", "provisional", "default", "--policy", "none"], {"program", "data", "clocks"}),
    (["provisional", "list"],
     {"on", "due", "standing", "waiting", "notices", "honoured", "in_debt"}),
    (["provisional", "post"], {"on", "posted"}),
    (["quarantine", "list"], {"data"}),
    (["quarantine", "waiting"], {"data"}),
    (["calendar", "add", "bank", "--kind", "deposits", "--due", "09:00", "--holidays", "AT"],
     {"program", "name", "kind", "pattern", "due", "zone", "days", "holidays", "grace_minutes",
      "created_by"}),
    (["calendar", "list"], {"data"}),
    (["program", "controls", "default", "--control", "none"],
     {"program", "control", "caps", "wait_minutes", "changed_by", "changed_at", "changes"}),
    (["program", "sender-keys", "default"], {"data"}),
    (["deposits", "list", "--held"], {"data"}),
    (["calendar", "due"], {"data"}),
    (["calendar", "remove", "bank"], {"program", "name", "removed"}),
    (["contracts", "list"], {"data"}),
    (["contracts", "schema", "orders"], {"title", "properties", "x-cardops"}),
    (["callbacks", "list"], {"data", "next_cursor"}),
    (["callbacks", "run", "--once"], {"attempts"}),
    (["callbacks", "endpoints"], {"data"}),
    (["callbacks", "replay", "--since", "2026-11-20"], {"replayed", "disabled_endpoints"}),
    (["deliveries", "list"], {"data"}),
    (["disputes", "list"], {"as_of", "data", "to_answer", "undated", "overdue", "more"}),
    (["disputes", "alarms"], {"raised", "unconfirmed"}),
    (["destinations", "add", "visa", "--protocol", "ftp", "--host", "x", "--user", "u",
      "--password-file", "password.txt"],
     {"name", "protocol", "host", "port", "cut_off", "openpgp"}),
    (["reconcile"], {"business_date", "accounts", "breaks", "deposits", "spends", "reversals",
                     "balances"}),
    (["generate", "--rows", "5", "--out", "day"], {"out", "truth", "rows", "seed", "date",
                                                   "submission_order", "kinds", "requests"}),
]  # fmt: skip


@pytest.fixture(scope="module")
def console() -> Iterator[Console]:
    with a_home() as console:
        # The first command applies the migrations, which takes longer.
        console.run("key", "list")
        (console.home.parent / "password.txt").write_text("secret\n", "utf-8")
        yield console


@pytest.mark.parametrize(("arguments", "keys"), OUTPUTS, ids=range(len(OUTPUTS)))
def test_json_is_one_object_and_nothing_else(
    console: Console, arguments: list[str], keys: set[str]
) -> None:
    result = console.response(*arguments)

    assert set(result) >= keys


def test_created_test_key_has_all_its_parts(console: Console) -> None:
    result = console.response("key", "create", "--program", "default", "--test", "--scopes", "callbacks:admin")  # fmt: skip

    assert list(result) == ["key_id", "key", "program", "scopes"]
    assert result["key"].startswith(f"cpk_test_{result['key_id']}_")
    assert result["scopes"] == ["callbacks:admin"]
    assert console.response("key", "revoke", result["key_id"])["revoked"]


def test_doctor_prints_one_object_whatever_it_finds(console: Console) -> None:
    done = console.run("doctor", "--json")

    report = json.loads(done.stdout)
    assert done.returncode == (0 if report["ok"] else 1)
    assert {"database", "disk", "card companies"} <= {check["part"] for check in report["checks"]}


@pytest.mark.parametrize("arguments", LIGHT, ids=" ".join)
def test_light_command_is_fast(console: Console, arguments: list[str]) -> None:
    """Its best of some rounds: as soon as one is, no other can make it slower."""

    def run(number: int) -> None:
        done = console.run_anew(*(argument.format(round=number) for argument in arguments))
        assert done.returncode == 0, done.stderr

    assert any(multiple < LIMIT for multiple in multiples(run, ROUNDS))


@pytest.mark.parametrize("arguments", LIGHT, ids=" ".join)
def test_light_command_loads_no_heavy_package(console: Console, arguments: list[str]) -> None:
    loaded = modules_loaded(
        console.home, [argument.format(round="modules") for argument in arguments]
    )

    assert "orchestration.cli.main" in loaded
    assert not loaded & {"dagster", "dagster_dbt", "dbt", "pandera"}
    if arguments[0] != "reconcile":  # which reads the lake
        assert not loaded & {"polars", "pyarrow", "numpy"}


def modules_loaded(home: Path, arguments: list[str]) -> set[str]:
    program = (
        "import sys, json, io\n"
        f"sys.argv = ['cardops', *{arguments!r}]\n"
        "from orchestration.cli.main import main\n"
        "try: main()\n"
        "except SystemExit as end: code = end.code\n"
        "sys.stderr.write('\\n' + json.dumps([code, sorted(sys.modules)]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).resolve().parents[3],
        env={**os.environ, "CARDOPS_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    code, modules = json.loads(done.stderr.splitlines()[-1])
    assert code == 0
    return set(modules)
