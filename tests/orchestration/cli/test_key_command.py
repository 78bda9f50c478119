"""`cardops key`: a secret is shown only once, and invalid arguments change nothing."""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.factories.console import Console, a_home
from tests.servers.authorizer_process import environment

pytestmark = [pytest.mark.database, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def console() -> Iterator[Console]:
    with a_home() as console:
        console.run("program", "create", "acme")
        yield console


def created_key(console: Console, *arguments: str) -> tuple[str, str, str]:
    """A new key's id, the full key, and its secret part."""
    created = console.response("key", "create", "--program", "acme", *arguments)
    return created["key_id"], created["key"], created["key"].rpartition("_")[2]


ODD = [
    ["create", "--program", "\udcff"], ["create", "--program", "a\n"],
    ["create", "--program", "x" * 100_000], ["create", "--program", "../etc"],
    ["create", "--program", "\x1b[31m"], ["create", "--program", ""],
    ["create", "--name", "a\nb"], ["create", "--name", "\x1b[31mred"],
    ["create", "--name", "a\0b"], ["create", "--name", "\udcff"],
    ["create", "--name", "x" * 100_000], ["create", "--name", " "], ["create", "--name", ""],
    ["create", "--name", "\u202egnp"], ["create", "--scopes", ""], ["create", "--scopes", "\n"],
    ["create", "--scopes", "all"], ["create", "--scopes", "authorizations:read,\udcff"],
    ["create", "--scopes", "AUTHORIZATIONS:READ"], ["create", "--scopes", "x" * 100_000],
    ["list", "--program", "nobody"], ["list", "--program", "\udcff"], ["list", "--program", "%"],
    ["revoke", ""], ["revoke", "\udcff"], ["revoke", "a\nb"], ["revoke", "a\0"],
    ["revoke", "x" * 100_000], ["revoke", "' or true --"], ["revoke", "%"], ["revoke", "gone"],
]  # fmt: skip
# All in one process: a process for each would take a second.
MANY = """
import contextlib, io, json, sys
from orchestration.cli.main import main
results = []
for arguments in json.loads(sys.stdin.read()):
    sys.argv, out, error = ["cardops", "key", *arguments], io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        try:
            main()
        except BaseException as ended:
            code = ended.code if isinstance(ended, SystemExit) else repr(ended)
    results.append([code, out.getvalue(), error.getvalue()])
print(json.dumps(results))
"""


def test_invalid_key_arguments_are_one_sentence_and_create_nothing(
    database_url: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MANY],
        input=json.dumps([["list"], *ODD, ["list"]]),
        env=environment(database_url, tmp_path, {}),
        capture_output=True,
        check=True,
        text=True,
    )
    (_, before, _), *found, (_, after, _) = json.loads(done.stdout)

    assert before == after
    for arguments, (code, out, error) in zip(ODD, found, strict=True):
        about = ascii(arguments)[:60]
        assert (code, out, error.count("\n")) == (2, "", 1), (about, code, error[:300])
        assert error.removesuffix("\n").isprintable(), about
        assert len(error) < 400, about


def test_key_is_shown_once_and_by_no_other_command(console: Console) -> None:
    key_id, key, secret = created_key(console, "--name", "Käthe's shop")

    commands = [
        console.run("key", "list"), console.run("key", "list", "--json"),
        console.run("key", "revoke", key), console.run("key", "revoke", key + "x"),
        console.run("key", "revoke", key.replace(key_id, "gone")),
        console.run("key", "revoke", f"{key} "),
    ]  # fmt: skip

    assert not [done for done in commands if secret in done.stdout + done.stderr]
    files = [path for path in console.home.rglob("*.log") if path.is_file()]
    assert files
    assert not [path for path in files if secret in path.read_text(errors="replace")]
    assert f"Käthe's shop  {'authorizations'}" in console.run("key", "list").stdout


def test_full_key_is_revoked_once(console: Console) -> None:
    key_id, key, _ = created_key(console)
    assert console.response("key", "revoke", key) == {"key_id": key_id, "revoked": True}
    first = revoked_at(console, key_id)

    assert console.response("key", "revoke", key_id)["revoked"]
    assert first is not None
    assert revoked_at(console, key_id) == first


def test_concurrent_revocations_all_report_the_key_revoked(console: Console) -> None:
    key_id, _, _ = created_key(console)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: console.response("key", "revoke", key_id), range(4)))

    assert results == [{"key_id": key_id, "revoked": True}] * 4
    assert revoked_at(console, key_id)


def test_program_sees_only_its_own_keys(console: Console) -> None:
    key_id, _, _ = created_key(console)
    other = console.response("key", "create", "--program", "default", "--name", "other")["key_id"]

    assert key_id in listed(console, "acme")
    assert other not in listed(console, "acme")
    assert listed(console, "default").keys() == {other}
    assert key_id not in console.run("key", "list", "--program", "default").stdout


def listed(console: Console, program: str) -> dict[str, dict[str, object]]:
    found = console.response("key", "list", "--program", program)["data"]
    assert "secret" not in json.dumps(found)
    return {key["key_id"]: key for key in found}


def revoked_at(console: Console, key_id: str) -> object:
    return listed(console, "acme")[key_id]["revoked_at"]
