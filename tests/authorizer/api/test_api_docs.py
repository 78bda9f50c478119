"""Every command of docs/api.md, run unchanged against a real authorizer."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from authorizer.api.problems import KINDS
from cardops.adapters.postgresql.connection import connect
from cardops.adapters.secrets import FileSecretStore
from cardops.rules.authorizations.decisions import ReasonCode
from cardops.rules.callbacks.secrets import secret_name, with_new_secret
from tests.factories.authorizations import NOON
from tests.factories.documents import DOCS, Fence, fences, fits, shell
from tests.servers.authorizer_process import AuthorizerProcess
from tests.servers.file_servers import free_port

PAGE = DOCS / "api.md"
FENCES = fences(PAGE)
PROGRAMS = [fence for fence in FENCES if fence.language == "python"]


SECRET, SECRET_VALUE = with_new_secret(None, b"s" * 32, NOON)


@pytest.fixture(scope="module")
def api(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AuthorizerProcess]:
    home = tmp_path_factory.mktemp("home")
    FileSecretStore(home / "secrets.json").put(secret_name("default"), SECRET_VALUE)
    settings = {"CARDOPS_ALLOW_LOOPBACK_CALLBACKS": "true"}
    with AuthorizerProcess(module_database_url, home, settings) as started:
        yield started


def save(program: Fence, home: Path, receiver_port: int = 9000) -> Path:
    """Save the program under the name in its first line."""
    name = re.match(r"# (\w+\.py): ", program.text)
    assert name, program.text
    path = home / name[1]
    path.write_text(program.text.replace("9000", str(receiver_port)))
    return path


@pytest.mark.database
def test_every_command_of_the_guide_prints_what_the_guide_shows(
    api: AuthorizerProcess, tmp_path: Path
) -> None:
    api.credit("user_456", 10_000)
    receiver_port = free_port()
    replacements = {
        "http://127.0.0.1:8000": f"http://127.0.0.1:{api.port}",
        "127.0.0.1:9000": f"127.0.0.1:{receiver_port}",
        "cpk_test_YOURS": api.key,
        "whsec_YOURS": SECRET,
    }
    assert {name: PAGE.read_text().count(name) for name in replacements} == dict.fromkeys(
        replacements, 1
    )
    python = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    output = None
    with shell(tmp_path, python) as bash:
        for fence in FENCES:
            match fence.language:
                case "python":
                    save(fence, tmp_path, receiver_port)
                case "sh":
                    assert not output, (
                        f"line {fence.line}: the output of the previous command is not shown"
                    )
                    text = fence.text
                    for example, actual in replacements.items():
                        text = text.replace(example, actual)
                    output = bash.run(text)
                case "text":
                    assert output, f"line {fence.line}: no command printed this"
                    assert fits(fence.text, output), f"line {fence.line}:\n{output}"
                    output = None
                case other:
                    pytest.fail(f"line {fence.line}: cannot run {other!r}")
    assert not output, "the output of the last command is not shown"


def run(program: Path, api: AuthorizerProcess, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(program), *arguments],
        env={"API": f"http://127.0.0.1:{api.port}", "CARDOPS_KEY": api.key},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.database
def test_guide_program_retries_after_503_until_decided(
    api: AuthorizerProcess, tmp_path: Path
) -> None:
    api.credit("user_1", 500)
    with connect(api.url) as session, session.transaction():
        # No request gets past this lock before its deadline: a real 503.
        session.execute("select 1 from accounts where user_id = 'user_1' for update")
        program = run(save(PROGRAMS[0], tmp_path), api, "t1", "user_1", "2.00")
        assert program.stderr is not None
        first_line = program.stderr.readline()
    stdout, _ = program.communicate(timeout=240)

    assert first_line == "attempt 1: 503 Not committed in time\n"
    assert stdout == "PERMIT sufficient_credit 3.00\n"
    assert api.call("GET", "/v1/users/user_1/credit").json["credit"][0]["remaining_credit"] == 3


@pytest.mark.database
def test_guide_program_waits_after_429_and_gives_up_on_422(
    api: AuthorizerProcess, tmp_path: Path
) -> None:
    slow = replace(api, settings={"CARDOPS_KEY_REQUESTS_PER_SECOND": "1"})
    slow.key = api.key
    slow.start()
    try:
        slow.authorize({"transaction_id": "t2", "user_id": "user_2", "amount": 1})
        program = run(save(PROGRAMS[0], tmp_path), slow, "t2", "user_2", "9.00")
        _, stderr = program.communicate(timeout=240)
    finally:
        slow.kill()

    assert "attempt 1: 429 Too many requests\n" in stderr
    assert "attempt 2: 422 Id already used for a different request\n" in stderr
    assert "attempt 3" not in stderr
    assert program.returncode == 1


def test_guide_names_every_reason_code_and_problem() -> None:
    text = PAGE.read_text()
    reasons = set(re.findall(r"^\| `(\w+)` \| [^|]*[;,]? ?[^|]* \|$", text, re.MULTILINE))
    problems = re.findall(r"^\| [0-9, ]+ \| (.*) \|$", text, re.MULTILINE)

    assert set(ReasonCode) - {ReasonCode.SUFFICIENT_CREDIT} <= reasons
    assert {slug for slug in KINDS if not any(f"`{slug}`" in line for line in problems)} == set()
