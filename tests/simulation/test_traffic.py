"""Purchase traffic against the authorizer itself, in a process of its own."""

import json
import socket
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cardops.adapters.postgresql.connection import connect
from simulation import traffic
from simulation.generator import REQUESTS_PATH, generate
from simulation.traffic import NoResponseError, TrafficReport, run_traffic
from tests.servers.authorizer_process import AuthorizerProcess

pytestmark = pytest.mark.database


def run(process: AuthorizerProcess, day: Path, responses: list[dict[str, Any]]) -> TrafficReport:
    address = f"http://127.0.0.1:{process.port}"
    return run_traffic(address, process.key, day / REQUESTS_PATH, responses)


def fund(url: str, truth: dict[str, Any]) -> None:
    """The balances that the day's deposits make."""
    rows = [
        (user_id, currency, amounts["available"])
        for user_id, accounts in truth["balances_after_deposits"].items()
        for currency, amounts in accounts.items()
    ]
    with connect(url) as session, session.cursor() as cursor:
        cursor.executemany(
            "insert into accounts (program, user_id, currency, available_minor, ledger_seq) "
            "values ('default', %s, %s, %s, 1)",
            rows,
        )


def balances(url: str) -> dict[str, dict[str, tuple[int, int]]]:
    found: dict[str, dict[str, tuple[int, int]]] = {}
    with connect(url) as session:
        query = "select user_id, currency, available_minor, held_minor from accounts"
        for user_id, currency, available, held in session.execute(query):
            found.setdefault(user_id, {})[currency] = (available, held)
    return found


def test_every_response_matches_the_truth_and_a_second_run_gets_replays(
    database_url: str, tmp_path: Path
) -> None:
    day = tmp_path / "day"
    truth = generate(300, 11, date(2026, 10, 1), day)
    responses = truth["authorizations"]["answers"]
    with AuthorizerProcess(database_url, tmp_path) as process:
        fund(database_url, truth)
        first = run(process, day, responses)
        second = run(process, day, responses)

    assert first.mismatches == []
    assert first.as_json()["permits"] == truth["authorizations"]["permits"]
    assert first.as_json()["reason_codes"] == truth["authorizations"]["reason_codes"]
    assert (first.replayed, second.replayed) == (0, 300)
    assert second.mismatches == []
    assert balances(database_url) == {
        user_id: {
            currency: (amounts["available"], amounts["held"])
            for currency, amounts in accounts.items()
        }
        for user_id, accounts in truth["balances"].items()
    }


def test_wrong_response_is_reported_with_expected_and_actual(
    database_url: str, tmp_path: Path
) -> None:
    day = tmp_path / "day"
    truth = generate(10, 11, date(2026, 10, 1), day)
    with AuthorizerProcess(database_url, tmp_path) as process:
        report = run(process, day, truth["authorizations"]["answers"])

    # Nobody was funded, so whoever should have been permitted is unknown.
    assert truth["authorizations"]["permits"] > 0
    assert report.mismatch_count >= truth["authorizations"]["permits"]
    assert "unknown_user" in report.mismatches[0].received


def test_unreachable_authorizer_stops_the_traffic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traffic, "MAX_ATTEMPTS", 2)
    requests = tmp_path / "requests.ndjson"
    requests.write_text(json.dumps({"transaction_id": "t"}) + "\n")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"

        with pytest.raises(NoResponseError, match="did not respond"):
            run_traffic(address, "key", requests, [{"user_id": "u"}])
