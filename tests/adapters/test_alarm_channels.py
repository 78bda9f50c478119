"""Alarms reach the file, the topic, e-mail and webhooks, and no secret reaches a log."""

import ast
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import boto3
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from typing_extensions import override

from cardops.adapters.alarm_channels import (
    ConfiguredChannels,
    FileChannel,
    TopicChannel,
    UrlChannel,
    channel_of,
)
from cardops.adapters.secrets import FileSecretStore
from cardops.rules.alarms.incidents import IncidentEvent, Severity
from cardops.rules.alarms.messages import AlarmMessage
from cardops.rules.alarms.records import ChannelError
from cardops.settings import Settings
from tests.servers.file_servers import free_port

MESSAGE = AlarmMessage(
    message_id=7,
    incident_id=12,
    incident="delivery:visa",
    channel="x",
    event=IncidentEvent.OPENED,
    severity=Severity.ERROR,
    subject="Delivery to visa: refused",
    message="b\nc",
    runbook="docs/runbooks/x.md",
    told_at=datetime(2026, 11, 20, 12, tzinfo=UTC),
)
PASSWORD = "word-of-the-mailbox"  # noqa: S105 - of this test
TOKEN = "word-of-the-webhook"  # noqa: S105 - of this test


def test_alarm_is_one_line_of_json_and_one_of_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    channel = FileChannel(tmp_path / "deep" / "alarms.jsonl")

    channel.send(MESSAGE)
    channel.send(MESSAGE)

    first, _ = (tmp_path / "deep" / "alarms.jsonl").read_text().splitlines()
    assert json.loads(first) == {
        "at": "2026-11-20T12:00:00+00:00",
        "subject": "Delivery to visa: refused",
        "message": "b\nc",
        "runbook": "docs/runbooks/x.md",
        "incident": "delivery:visa",
        "incident_id": 12,
        "event": "opened",
        "severity": "error",
    }
    assert caplog.messages[0] == "Delivery to visa: refused: b\nc (docs/runbooks/x.md)"


def test_file_that_cannot_be_written_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ChannelError, match="File exists"):
        FileChannel(tmp_path / "file" / "alarms.jsonl").send(MESSAGE)

    assert len(caplog.messages) == 1


class BrokenTopic:
    def publish(self, *, TopicArn: str, Subject: str, Message: str) -> Any:  # noqa: N803 - AWS's
        raise ConnectionError("no route")


def test_broken_topic_is_said() -> None:
    with pytest.raises(ChannelError, match="arn:x did not take the alarm"):
        TopicChannel("arn:x", BrokenTopic()).send(MESSAGE)


def test_alarm_reaches_the_configured_topic(
    s3_server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    sns = boto3.client("sns", region_name="eu-west-1")
    sqs = boto3.client("sqs", region_name="eu-west-1")
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    queue = sqs.create_queue(QueueName="alarms")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=attributes["Attributes"]["QueueArn"])
    settings = Settings(home=tmp_path, notify_topic_arn=topic)
    channels = ConfiguredChannels(settings, FileSecretStore(tmp_path / "secrets.json")).all()
    assert [channel.name for channel in channels] == ["file", "sns"]

    channels[1].send(MESSAGE)

    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    received = json.loads(message["Body"])
    assert received["Subject"] == "Delivery to visa: refused"
    assert "Runbook: docs/runbooks/x.md" in received["Message"]
    assert "`cardops alarms ack 12 --note TEXT`" in received["Message"]


class Mailbox:
    """Takes e-mail of the user `ops`."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []
        self.is_full = False
        self.logins: list[bytes] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - its name
        if self.is_full:
            return f"552 mailbox of {PASSWORD} is full"
        self.mails.append(envelope.content)
        return "250 OK"

    def authenticate(
        self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any
    ) -> AuthResult:
        self.logins.append(data.password)
        return AuthResult(success=True)


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, str]]:
    box = Mailbox()
    server = Controller(
        box,
        hostname="127.0.0.1",
        port=free_port(),
        authenticator=box.authenticate,
        auth_required=True,
        auth_require_tls=False,
    )
    server.start()
    try:
        query = "mode=insecure&from=cardops@example.com&to=ops@example.com"
        yield box, f"mailto://ops:{PASSWORD}@127.0.0.1:{server.port}?{query}"
    finally:
        server.stop(no_assert=True)


@pytest.mark.filterwarnings("ignore:Requiring AUTH:UserWarning")
def test_alarm_reaches_a_mailbox(mailbox: tuple[Mailbox, str]) -> None:
    box, url = mailbox

    UrlChannel("mail", url).send(MESSAGE)

    (content,) = box.mails
    mail = message_from_bytes(content)
    assert mail["Subject"] == "Delivery to visa: refused"
    assert box.logins == [PASSWORD.encode()]
    payload = mail.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert "docs/runbooks/x.md" in payload.decode()


@pytest.mark.filterwarnings("ignore:Requiring AUTH:UserWarning")
def test_full_mailbox_is_said_without_the_password(
    mailbox: tuple[Mailbox, str], caplog: pytest.LogCaptureFixture
) -> None:
    box, url = mailbox
    box.is_full = True
    caplog.set_level(logging.DEBUG)

    with pytest.raises(ChannelError, match="alarm channel mail did not take the alarm") as raised:
        UrlChannel("mail", url).send(MESSAGE)

    # The server of this test logs what it hears and says.
    logged = [record.getMessage() for record in caplog.records if record.name != "mail.log"]
    assert PASSWORD not in f"{raised.value}{logged}{UrlChannel('mail', url)}"
    assert "mailbox of *** is full" in str(raised.value) or "Sending email" in str(raised.value)


@pytest.fixture
def webhook() -> Iterator[tuple[list[tuple[str, dict[str, Any]]], HTTPServer]]:
    received: list[tuple[str, dict[str, Any]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, json.loads(body)))
            self.send_response(500 if "broken" in self.path else 200)
            self.end_headers()

        @override
        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield received, server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_alarm_reaches_a_webhook(
    webhook: tuple[list[tuple[str, dict[str, Any]]], HTTPServer], caplog: pytest.LogCaptureFixture
) -> None:
    received, server = webhook
    caplog.set_level(logging.DEBUG)

    UrlChannel("hook", f"json://127.0.0.1:{server.server_port}/{TOKEN}").send(MESSAGE)

    ((path, body),) = received
    assert path == f"/{TOKEN}"
    assert body["title"] == "Delivery to visa: refused"
    assert body["message"].startswith("b\nc")
    assert body["type"] == "failure"
    assert TOKEN not in caplog.text


def test_broken_webhook_is_said_without_its_token(
    webhook: tuple[list[tuple[str, dict[str, Any]]], HTTPServer], caplog: pytest.LogCaptureFixture
) -> None:
    _, server = webhook
    caplog.set_level(logging.DEBUG)

    with pytest.raises(ChannelError, match="500") as raised:
        UrlChannel("hook", f"json://127.0.0.1:{server.server_port}/broken/{TOKEN}").send(MESSAGE)

    assert TOKEN not in f"{raised.value}{caplog.text}"


def test_closed_port_is_said() -> None:
    with pytest.raises(ChannelError, match="hook did not take the alarm: A Connection error"):
        UrlChannel("hook", "json://127.0.0.1:9/x").send(MESSAGE)


def test_url_that_nothing_understands_is_said_without_it() -> None:
    with pytest.raises(ChannelError, match="is not understood") as raised:
        UrlChannel("hook", f"nonsense://{TOKEN}").send(MESSAGE)

    assert TOKEN not in str(raised.value)


def test_channels_are_read_from_the_secret(tmp_path: Path) -> None:
    secrets = FileSecretStore(tmp_path / "secrets.json")
    secrets.put(
        "alarm-channels",
        {"mail": "mailto://a", "boss": {"url": "json://b", "when": "escalated"}, "bad": 7},
    )

    found = ConfiguredChannels(Settings(home=tmp_path), secrets).all()

    assert [(channel.name, channel.is_for_escalations) for channel in found] == [
        ("file", False),
        ("boss", True),
        ("mail", False),
    ]
    assert "json://b" not in repr(found)


def test_unreadable_secret_leaves_the_file(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text("[]")

    found = ConfiguredChannels(
        Settings(home=tmp_path), FileSecretStore(tmp_path / "secrets.json")
    ).all()

    assert [channel.name for channel in found] == ["file"]
    assert channel_of("file", "json://x") is None


def test_apprise_is_imported_where_a_message_is_sent_alone() -> None:
    """Its import and its plugins cost more than most commands (decision 0080)."""
    root = Path(__file__).resolve().parents[2]
    folders = ("cardops", "authorizer", "orchestration", "sensors", "assets", "resources")
    paths = [path for folder in folders for path in (root / folder).rglob("*.py")]
    imports = {path.name: imports_of(path.read_text(), "apprise") for path in paths}
    used = {name: columns for name, columns in imports.items() if columns}

    assert {*used} == {"alarm_channels.py"}
    assert min(used["alarm_channels.py"]) > 0, "at the top of the module"


def imports_of(source: str, package: str) -> list[int]:
    """Columns of the statements that import it: 0 at the top of a module."""
    if package not in source:
        return []
    nodes = ast.walk(ast.parse(source))
    return [
        node.col_offset
        for node in nodes
        if (isinstance(node, ast.Import) and any(name.name == package for name in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").startswith(package))
    ]
