"""The authorizer as a process: its imports, its settings, its shutdown, a kill, callbacks."""

import http.client
import json
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook
from typing_extensions import override

from cardops.adapters.postgresql.connection import connect
from cardops.adapters.secrets import FileSecretStore
from cardops.rules.callbacks.secrets import secret_name, with_new_secret
from tests.factories.authorizations import NOON
from tests.factories.waiting import wait_until
from tests.servers.authorizer_process import CLI, AuthorizerProcess, environment
from tests.servers.warm_authorizer import WarmAuthorizer


@pytest.mark.parametrize(
    "module",
    ["authorizer.main", "orchestration.cli.commands.key", "orchestration.cli.commands.authorizer"],
)
def test_authorizer_imports_neither_dagster_nor_contracts(module: str) -> None:
    heavy = ("dagster", "polars", "pandera", "cardops.contracts", "boto3", "duckdb")
    script = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"

    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )

    assert result.stdout.strip() == "[]", result.stderr


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"CARDOPS_DATABASE_URL": "postgresql://127.0.0.1:1/none"}, "cannot be reached"),
        ({"CARDOPS_SECRETS": "vault:x"}, "CARDOPS_SECRETS"),
        ({"CARDOPS_DEFAULT_CURRENCY": "usd"}, "CARDOPS_DEFAULT_CURRENCY"),
    ],
)
def test_invalid_setting_at_start_is_one_sentence(
    tmp_path: Path, settings: dict[str, str], message: str
) -> None:
    log = tmp_path / "errors"
    variables = environment("postgresql://127.0.0.1:1/none", tmp_path, settings)

    process = WarmAuthorizer(["authorizer", "--port", "0"], variables, log)

    with process.stdout:
        assert process.wait(timeout=240) == 2
    assert message in log.read_text()
    assert len(log.read_text().strip().splitlines()) == 1


@pytest.mark.database
def test_port_in_use_is_one_sentence(database_url: str, tmp_path: Path) -> None:
    with AuthorizerProcess(database_url, tmp_path) as api:
        result = subprocess.run(
            [sys.executable, "-c", CLI, "authorizer", "--port", str(api.port)],
            capture_output=True,
            check=False,
            text=True,
            env=environment(database_url, tmp_path, {}),
        )

    assert result.returncode == 2
    assert len(result.stderr.strip().splitlines()) == 1


def request(number: int) -> dict[str, Any]:
    return {"transaction_id": f"t{number}", "user_id": "user_1", "amount": "0.01"}


@pytest.mark.database
def test_every_response_received_before_a_kill_is_stored(database_url: str, tmp_path: Path) -> None:
    with AuthorizerProcess(database_url, tmp_path, anew=True) as api:
        api.credit("user_1", 1_000_000)
        # The process imports its adapters before its first response.
        assert api.authorize(request(3000)).status == 200
        threading.Timer(0.7, api.process.kill).start()
        with ThreadPoolExecutor(8) as pool:
            bodies = [body for body in pool.map(lambda n: response(api, n), range(3000)) if body]
    with connect(database_url) as session:
        stored = {row[0] for row in session.execute("select answer from decisions")}
        row = session.execute(
            "select available_minor + (select count(*) from decisions) from accounts"
        ).fetchone()

    assert 0 < len(bodies) < 3000
    assert set(bodies) <= stored
    assert row == (1_000_000,)


def response(api: AuthorizerProcess, number: int) -> bytes | None:
    """The response's bytes; None if the process was gone."""
    try:
        return api.authorize(request(number)).body
    except (OSError, http.client.HTTPException):
        return None


@pytest.mark.database
def test_stop_signal_ends_the_process_cleanly(database_url: str, tmp_path: Path) -> None:
    with AuthorizerProcess(database_url, tmp_path, anew=True) as api:
        api.credit("user_1", 1_000_000)
        assert api.authorize(request(1)).status == 200
        api.process.send_signal(signal.SIGTERM)

        assert api.process.wait(timeout=240) == 0
        assert response(api, 2) is None


@pytest.mark.database
def test_two_workers_share_one_port_and_one_set_of_metrics(
    database_url: str, tmp_path: Path
) -> None:
    with AuthorizerProcess(database_url, tmp_path, workers=2) as api:
        api.credit("user_1", 1_000_000)
        statuses = {api.authorize(request(number)).status for number in range(20)}
        metrics = api.call("GET", "/metrics", key=None).body.decode()
        api.process.send_signal(signal.SIGTERM)
        api.process.wait(timeout=240)

    assert statuses == {200}
    assert 'cardops_http_requests_total{method="POST"' in metrics
    assert 'status="200"} 20.0' in metrics


@pytest.mark.database
def test_workers_end_with_their_killed_supervisor(database_url: str, tmp_path: Path) -> None:
    with AuthorizerProcess(database_url, tmp_path, workers=2) as api:
        assert api.call("GET", "/livez", key=None).status == 200
        pid = api.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        assert len(children) >= 2
        api.kill()
        served_on = [Path(f"/proc/{child}") for child in children]
        wait_until(lambda: not any(map(Path.exists, served_on)), f"the end of {children}")


@pytest.mark.database
def test_key_over_its_rate_limit_is_429(database_url: str, tmp_path: Path) -> None:
    settings = {"CARDOPS_KEY_REQUESTS_PER_SECOND": "1"}
    with AuthorizerProcess(database_url, tmp_path, settings) as api:
        replies = [api.authorize(request(number)) for number in range(10)]

    refused = [reply for reply in replies if reply.status == 429]
    assert refused
    assert refused[0].problem == "too-many-requests"
    assert int(refused[0].headers["retry-after"]) >= 1


class Sink(HTTPServer):
    """A partner's endpoint: it fails the first call and accepts later ones."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), SinkHandler)
        self.calls: list[tuple[dict[str, str], bytes]] = []
        self.arrived = threading.Semaphore(0)


class SinkHandler(BaseHTTPRequestHandler):
    server: Sink

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.calls.append(({k.lower(): v for k, v in self.headers.items()}, body))
        self.send_response(200 if len(self.server.calls) > 1 else 503)
        self.end_headers()
        self.server.arrived.release()

    @override
    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.mark.database
def test_callback_sends_the_signed_response_bytes_and_is_retried(
    database_url: str, tmp_path: Path
) -> None:
    secrets = FileSecretStore(tmp_path / "secrets.json")
    secret, value = with_new_secret(None, b"s" * 32, NOON)
    secrets.put(secret_name("default"), value)
    settings = {"CARDOPS_ALLOW_LOOPBACK_CALLBACKS": "true"}
    sink = Sink()
    thread = threading.Thread(target=sink.serve_forever)
    thread.start()
    try:
        with AuthorizerProcess(database_url, tmp_path, settings) as api:
            url = f"http://127.0.0.1:{sink.server_port}/hook"
            reply = api.authorize(request(1) | {"callback_url": url})
            assert sink.arrived.acquire(timeout=240)
            assert sink.arrived.acquire(timeout=240)
            listed = api.call("GET", "/v1/callbacks").json["data"]
            replayed = api.call("POST", f"/v1/callbacks/{listed[0]['id']}/replay")
            assert sink.arrived.acquire(timeout=240)
    finally:
        sink.shutdown()
        thread.join()
        sink.server_close()

    assert replayed.status == 202
    assert len({headers["webhook-id"] for headers, _ in sink.calls}) == 1
    for headers, body in sink.calls:
        assert body == reply.body
        Webhook(secret).verify(body.decode(), headers)
        assert headers["x-request-id"] == reply.headers["x-request-id"]
    assert json.loads(reply.body)["reason_code"] == "unknown_user"


@pytest.mark.database
def test_authorizer_leaves_callbacks_to_a_worker_when_configured(
    database_url: str, tmp_path: Path
) -> None:
    settings = {
        "CARDOPS_ALLOW_LOOPBACK_CALLBACKS": "true",
        "CARDOPS_AUTHORIZER_SENDS_CALLBACKS": "false",
    }
    with AuthorizerProcess(database_url, tmp_path, settings) as api:
        api.authorize(request(1) | {"callback_url": "http://127.0.0.1:9/"})
        time.sleep(1.5)
        (callback,) = api.call("GET", "/v1/callbacks").json["data"]

    assert (callback["status"], callback["attempts"]) == ("pending", 0)


@pytest.mark.database
def test_loopback_callback_url_is_refused_for_a_live_key(database_url: str, tmp_path: Path) -> None:
    settings = {"CARDOPS_ALLOW_LOOPBACK_CALLBACKS": "true"}
    with AuthorizerProcess(database_url, tmp_path, settings) as api:
        live = api.programs.create_key("default", "l", ["authorizations:write"], is_test=False).key
        body = request(1) | {"callback_url": "http://127.0.0.1:9/"}

        assert api.authorize(body, key=live).problem == "invalid-request"
        assert api.authorize(body).status == 200
