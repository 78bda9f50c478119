"""`cardops callbacks archive`, and what is still said of an archived callback."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from orchestration.cli.main import app
from tests.factories.old_callbacks import add_callback, stored
from tests.servers.authorizer_process import AuthorizerProcess

pytestmark = pytest.mark.database


@pytest.fixture
def run(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a command on the test's database and home; its exit code and JSON."""
    monkeypatch.setenv("CARDOPS_DATABASE_URL", database_url)
    monkeypatch.setenv("CARDOPS_HOME", str(tmp_path))

    def invoke(*words: str) -> tuple[int, Any]:
        result = CliRunner().invoke(app, ["callbacks", *words, "--json"])
        return result.exit_code, json.loads(result.stdout) if result.exit_code == 0 else result

    return invoke


def test_archived_callback_is_shown_from_the_lake(run: Any, database_url: str) -> None:
    old = add_callback(database_url, "old", days=40)
    add_callback(database_url, "young", days=3)

    assert run("archive") == (0, {"callbacks": 1, "callback_attempts": 1})
    assert run("archive") == (0, {"callbacks": 0, "callback_attempts": 0})
    assert stored(database_url) == ["young"]

    code, shown = run("show", old)
    assert code == 0
    assert (shown["status"], shown["transaction_id"]) == ("archived", "old")
    assert (shown["attempts"], shown["endpoint"]) == (1, "https://hook.example.com/a")


def test_retention_is_a_setting(
    run: Any, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARDOPS_CALLBACK_DAYS", "2")
    add_callback(database_url, "young", days=3)

    assert run("archive") == (0, {"callbacks": 1, "callback_attempts": 0})


def test_replay_of_an_archived_callback_says_where_its_response_is(
    database_url: str, tmp_path: Path, run: Any
) -> None:
    old = add_callback(database_url, "old", days=40)
    run("archive")
    with AuthorizerProcess(database_url, tmp_path) as api:
        reply = api.call("POST", f"/v1/callbacks/{old}/replay")
        listed = api.call("GET", "/v1/callbacks").json["data"]

    assert (reply.status, reply.problem) == (404, "not-found")
    assert "archived" in reply.json["detail"]
    assert "GET /v1/authorizations/{transaction_id}" in reply.json["detail"]
    assert listed == []
