"""OpenTelemetry, checked by what a collector receives: enabled, disabled, misconfigured."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cardops.adapters.secrets import FileSecretStore
from cardops.adapters.telemetry.opening import TelemetryError, check_telemetry, open_tracing
from cardops.rules.callbacks.secrets import secret_name, with_new_secret
from cardops.settings import Settings
from orchestration.cli.checkup import Finding, findings
from tests.factories.authorizations import NOON
from tests.servers.authorizer_process import CLI, AuthorizerProcess, Reply, environment
from tests.servers.callback_sink import Sink, open_sink
from tests.servers.file_servers import free_port
from tests.servers.otlp_collector import Collector, Span, open_collector
from tests.servers.starvation import Starvation

TRACE_ID, PARENT_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CARD_NUMBER, USER, TRANSACTION = "4111111111111111", "private-user-id", "private-transaction-id"
# The only attributes that may be sent; a new one is a deliberate decision.
ALLOWED_ATTRIBUTES = {
    "http.request.method",
    "http.route",
    "http.response.status_code",
    "error.type",
    "cardops.request_id",
    "cardops.program",
    "cardops.batch.questions",
    "cardops.callback.state",
    "cardops.callback.attempt",
}


def settings(collector: Collector, **more: str) -> dict[str, str]:
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "CARDOPS_ALLOW_LOOPBACK_CALLBACKS": "true",
        # The framework could send its own traces, with paths and request data: it must not.
        "FASTAPI_OTEL_AUTO_CONFIGURE": "true",
        **more,
    }


def authorize(api: AuthorizerProcess, **more: Any) -> Any:
    body = {"transaction_id": TRANSACTION, "user_id": USER, "amount": 2, "capture": False}
    return api.authorize(body | more, headers={"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01"})


def give_secret(home: Path) -> None:
    _, value = with_new_secret(None, b"s" * 32, NOON)
    FileSecretStore(home / "secrets.json").put(secret_name("default"), value)


async def run(work: Any, *arguments: Any, **options: Any) -> Any:
    return await asyncio.to_thread(work, *arguments, **options)


@dataclass(frozen=True)
class Traced:
    """What a collector received for some requests, and two of their responses."""

    collector: Collector
    private: Sequence[str]
    first: Reply
    refused: Reply

    def span(self, name: str) -> Span:
        (span,) = self.collector.named(name)
        return span


@pytest.fixture
async def traced(database_url: str, tmp_path: Path) -> Traced:
    give_secret(tmp_path)
    path = f"/v1/authorizations/{TRANSACTION}"
    # Sent without a key, and with an invalid traceparent.
    invalid_context = {"traceparent": CARD_NUMBER, "tracestate": f"user={USER}"}
    async with open_collector() as collector, open_sink() as sink:
        with AuthorizerProcess(database_url, tmp_path, settings(collector)) as api:
            api.credit(USER, 1_000)
            first = await run(authorize, api, callback_url=sink.url, metadata={"card": CARD_NUMBER})
            await run(api.call, "GET", path)
            await run(api.call, "GET", f"/v1/users/{USER}/credit")
            await run(api.call, "GET", f"/{CARD_NUMBER}?user={USER}")
            await run(api.call, "PROPFIND", path)
            refused = await run(api.call, "POST", f"{path}/void", key=None, headers=invalid_context)
            await collector.has("POST callback")
            await collector.has("POST /v1/authorizations/{transaction_id}/void")
            secret = api.key.rpartition("_")[2]
    private = (CARD_NUMBER, "411111", USER, TRANSACTION, secret, sink.url, "/hook")
    return Traced(collector, private, first, refused)


@pytest.mark.database
async def test_requests_batches_and_callbacks_are_traced(traced: Traced) -> None:
    decided = traced.span("POST /v1/authorizations")
    looked_up = traced.span("GET /v1/authorizations/{transaction_id}")
    voided = traced.span("POST /v1/authorizations/{transaction_id}/void")
    batch, callback = traced.span("decide batch"), traced.span("POST callback")

    assert (decided.trace_id, decided.parent_id) == (TRACE_ID, PARENT_ID)
    assert (decided.kind, batch.kind, callback.kind) == (2, 1, 3)
    assert decided.attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/authorizations",
        "http.response.status_code": 200,
        "cardops.program": "default",
        "cardops.request_id": traced.first.headers["x-request-id"],
    }
    assert looked_up.attributes["cardops.program"] == "default"
    assert looked_up.trace_id != TRACE_ID
    assert voided.attributes["cardops.request_id"] == traced.refused.headers["x-request-id"]
    assert (voided.parent_id, "cardops.program" in voided.attributes) == ("", False)
    assert batch.attributes == {"cardops.batch.questions": 1}
    assert 0 < batch.milliseconds < decided.milliseconds
    assert callback.attributes == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "cardops.program": "default",
        "cardops.callback.state": "delivered",
        "cardops.callback.attempt": 1,
        "cardops.request_id": traced.first.headers["x-request-id"],
    }
    assert traced.collector.resource["service.name"] == "cardops-authorizer"


@pytest.mark.database
async def test_traces_contain_no_private_data(traced: Traced) -> None:
    names = {span.name for span in traced.collector.spans}
    everything = b"".join(traced.collector.bodies).decode("latin-1")

    assert {"GET unmatched", "_OTHER /v1/authorizations/{transaction_id}"} <= names
    assert {
        name for span in traced.collector.spans for name in span.attributes
    } <= ALLOWED_ATTRIBUTES
    # The framework's own traces would carry paths and request data.
    assert traced.collector.paths == {"/v1/traces"}
    assert [value for value in traced.private if value in everything] == []


@pytest.mark.database
@pytest.mark.parametrize("off", [{"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_SDK_DISABLED": "true"}])
async def test_disabled_tracing_sends_nothing(
    database_url: str, tmp_path: Path, off: Mapping[str, str]
) -> None:
    async with open_collector() as collector:
        with AuthorizerProcess(database_url, tmp_path, settings(collector, **off)) as api:
            assert (await run(authorize, api)).status == 200
            await run(api.call, "GET", f"/v1/authorizations/{TRANSACTION}")
            api.process.send_signal(signal.SIGTERM)
            assert await run(api.process.wait, timeout=240) == 0

    assert collector.paths == set()


@pytest.mark.database
async def test_buffered_spans_are_sent_at_shutdown(database_url: str, tmp_path: Path) -> None:
    async with open_collector() as collector:
        slow = settings(collector, OTEL_BSP_SCHEDULE_DELAY="60000", OTEL_SERVICE_NAME="cards")
        with AuthorizerProcess(database_url, tmp_path, slow) as api:
            await run(authorize, api)
            assert not collector.spans
            api.process.send_signal(signal.SIGTERM)
            assert await run(api.process.wait, timeout=240) == 0

    assert [span.name for span in collector.spans] == ["decide batch", "POST /v1/authorizations"]
    assert collector.resource["service.name"] == "cards"


@pytest.mark.database
def test_unreachable_collector_delays_neither_responses_nor_shutdown(
    database_url: str, tmp_path: Path
) -> None:
    unreachable = settings(Collector(free_port()))
    with AuthorizerProcess(database_url, tmp_path, unreachable) as api:
        assert authorize(api).status == 200
        time.sleep(0.5)
        starved = Starvation(api.process.pid)
        started = time.monotonic()
        assert authorize(api).headers["idempotent-replayed"] == "true"
        answered = time.monotonic() - started - starved.seconds()
        api.process.send_signal(signal.SIGTERM)
        code = starved.until_end_of(api.process, 240)
        stopped = time.monotonic() - started - starved.seconds()
        assert code == 0

    assert answered < 1
    assert stopped < 8


@pytest.mark.database
async def test_callback_worker_traces_a_failed_callback(database_url: str, tmp_path: Path) -> None:
    give_secret(tmp_path)
    unreachable = Sink()
    unreachable.port = free_port()
    async with open_collector() as collector:
        own_settings = {"CARDOPS_AUTHORIZER_SENDS_CALLBACKS": "false"}
        with AuthorizerProcess(database_url, tmp_path, settings(collector, **own_settings)) as api:
            sent = await run(authorize, api, callback_url=unreachable.url)
        worker = await run(
            subprocess.run,
            [sys.executable, "-c", CLI, "callbacks", "run", "--once"],
            env=environment(database_url, tmp_path, settings(collector)),
            capture_output=True,
            check=False,
            timeout=240,
        )
        assert worker.returncode == 0, worker.stderr
        (callback,) = collector.named("POST callback")

    assert callback.is_error
    assert callback.attributes["error.type"] == "no_answer"
    assert callback.attributes["cardops.callback.state"] == "pending"
    assert callback.attributes["cardops.request_id"] == sent.headers["x-request-id"]
    assert collector.resource["service.name"] == "cardops-callbacks"


def test_tracing_is_off_and_not_imported_without_an_endpoint() -> None:
    script = "import sys, authorizer.main; print('opentelemetry.sdk' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )

    assert open_tracing("x", {}) is None
    assert open_tracing("x", {"OTEL_EXPORTER_OTLP_ENDPOINT": " "}) is None
    assert result.stdout.strip() == "False", result.stderr


def test_missing_packages_are_named_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nsys.modules['opentelemetry.sdk'] = None\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", CLI, "authorizer", "--port", "0"],
        env={
            **environment("postgresql://127.0.0.1:1/none", tmp_path, {}),
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
            "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]),
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 2
    assert "pip install 'cardops[otel]'" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "http://127.0.0.1:4318"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://[::1"}, "not an HTTP address"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:http"}, "not an HTTP address"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "http/protobuf",
        ),
    ],
)
def test_invalid_endpoint_is_reported_at_start(variables: Mapping[str, str], message: str) -> None:
    with pytest.raises(TelemetryError, match=message):
        check_telemetry(variables)


@pytest.mark.database
async def test_doctor_reports_whether_a_collector_answers(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def doctor() -> Finding:
        settings = Settings(home=tmp_path, database_url=database_url)
        return next(finding for finding in findings(settings) if finding.part == "traces")

    assert (await run(doctor)).message.startswith("Not configured")
    async with open_collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        assert (
            await run(doctor)
        ).message == f"A collector accepts connections at 127.0.0.1:{collector.port}."
    finding = await run(doctor)
    assert not finding.ok
    assert "traces are lost, decisions are not affected" in finding.message
