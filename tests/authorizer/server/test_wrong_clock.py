"""A process whose clock is seconds off the database's serves nothing and says so."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from cardops.adapters.postgresql.connection import connect
from tests.factories.waiting import wait_until
from tests.oracles.ledger_totals import rows
from tests.servers.authorizer_process import AuthorizerProcess, Reply, environment
from tests.servers.shifted_clock import COMMAND, FILE

pytestmark = pytest.mark.database

EIGHT_DAYS, ONE_HOUR = 8 * 86_400, 3_600
DRIFTS_OF_ONE_SECOND = (1.0, -1.0)


class ShiftedProcess(AuthorizerProcess):
    """An authorizer whose machine's clock a test sets."""

    def shift(self, seconds: float) -> None:
        Path(self.settings[FILE]).write_text(str(seconds))

    def until(self, status: int) -> Reply:
        """The reply of /readyz once it has this status."""
        replies: list[Reply] = []

        def has_status() -> bool:
            replies.append(self.call("GET", "/readyz", key=None))
            return replies[-1].status == status

        wait_until(has_status, f"{status} of /readyz")
        return replies[-1]


@pytest.fixture
def api(database_url: str, tmp_path: Path) -> Iterator[ShiftedProcess]:
    settings = {FILE: str(tmp_path / "shift")}
    (tmp_path / "shift").write_text("0")
    with ShiftedProcess(database_url, tmp_path, settings, command=COMMAND) as process:
        process.credit("user_1", 10_000)
        yield process


def hold(name: str) -> dict[str, object]:
    return {"transaction_id": name, "user_id": "user_1", "amount": "1.00", "capture": False}


def test_process_refuses_while_its_clock_is_off_and_recovers(
    api: ShiftedProcess, database_url: str
) -> None:
    assert api.authorize(hold("t1")).status == 200
    for seconds, words in ((EIGHT_DAYS, "8 days, 0:00:00 ahead of"), (-ONE_HOUR, "1:00:00 behind")):
        api.shift(seconds)
        assert words in api.until(503).json["detail"]
        for refused in (
            api.authorize(hold("t2")),
            api.call("POST", "/v1/authorizations/t1/capture", {}),
            api.call("GET", "/v1/authorizations/t1"),
        ):
            assert (refused.status, refused.problem) == (503, "unavailable")
            assert words in refused.json["detail"]
            assert refused.headers["retry-after"] == "1"
        assert api.call("GET", "/livez", key=None).status == 200
        metrics = api.call("GET", "/metrics", key=None).body.decode()
        (skew,) = re.findall(
            r"^cardops_clock_skew_seconds(?:\{.*\})? (\S+)$", metrics, re.MULTILINE
        )
        assert float(skew) == pytest.approx(abs(seconds), abs=1)

        api.shift(0)
        api.until(200)
        assert api.call("GET", "/v1/authorizations/t1").json["state"] == "held"
    assert api.authorize(hold("t2")).status == 200
    assert rows(database_url, "select transaction_id from decisions order by 1") == [
        ("t1",), ("t2",),
    ]  # fmt: skip
    log = api.home / "authorizer.log"
    wait_until(lambda: log.read_text().count("is right again") == 2, "the second good news")
    assert log.read_text().count("it serves nothing until the clock is right") == 2


def test_process_with_a_wrong_clock_does_not_start(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "shift").write_text(str(EIGHT_DAYS))
    finished = subprocess.run(
        [sys.executable, "-c", COMMAND, "authorizer", "--port", "0"],
        env=environment(database_url, tmp_path, {FILE: str(tmp_path / "shift")}),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert finished.returncode == 2
    assert "The clock of this machine is 8 days, 0:00:00 ahead of the database's" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_decision_carries_the_databases_instant_while_the_local_clock_drifts(
    api: ShiftedProcess, database_url: str
) -> None:
    for number, seconds in enumerate(DRIFTS_OF_ONE_SECOND):
        api.shift(seconds)
        with connect(database_url) as session:
            (before,) = session.execute("select clock_timestamp()").fetchone() or ()
            reply = api.authorize(hold(f"t{number}"))
            (after,) = session.execute("select clock_timestamp()").fetchone() or ()
        assert before <= datetime.fromisoformat(json.loads(reply.body)["decided_at"]) <= after
    assert rows(
        database_url,
        "select distinct h.expires_at - d.decided_at = interval '7 days'"
        " from holds as h join decisions as d using (program, transaction_id)",
    ) == [(True,)]


@pytest.mark.soak
def test_clock_days_ahead_expires_no_hold(api: ShiftedProcess, database_url: str) -> None:
    for number in range(20):
        assert api.authorize(hold(f"t{number}")).status == 200
    api.shift(EIGHT_DAYS)
    time.sleep(12)  # two sweeps
    assert rows(database_url, "select distinct state from holds") == [("held",)]
