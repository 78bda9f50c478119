"""docs/callbacks.md: its receiver is run as printed, its schedule and headers are compared."""

import asyncio
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cardops.adapters.callback_http.client import CallbackClient
from cardops.rules.callbacks.callbacks import RETRY_SECONDS, CallbackResponse
from cardops.rules.callbacks.secrets import live_secrets, with_new_secret
from cardops.services.callbacks.signing import signed_headers, signers_of
from orchestration.local.ports import accepts_connections
from tests.factories.documents import DOCS, fences
from tests.factories.waiting import wait_until
from tests.servers.file_servers import free_port

PAGE = DOCS / "callbacks.md"
BODY = b'{"transaction_id":"txn_1","status":"PERMIT","amount":25.10,"currency":"USD"}'


class Receiver:
    """The documented program as a process, and a client that calls it."""

    def __init__(self, home: Path, port: int, secrets: list[str]) -> None:
        self.home, self.port, self.secrets = home, port, secrets
        self.client = CallbackClient(allow_loopback=True)

    async def call(
        self, callback_id: str, body: bytes = BODY, *, at: datetime | None = None,
        sent: bytes | None = None,
    ) -> CallbackResponse:  # fmt: skip
        signers = signers_of(self.secrets)
        headers = signed_headers(callback_id, at or datetime.now(UTC), body, signers)
        url = f"http://127.0.0.1:{self.port}/cardops"
        return await self.client.post(url, sent or body, headers, is_test=True)

    def permits(self) -> list[tuple[str, str]]:
        with sqlite3.connect(self.home / "callbacks.db") as store:
            rows = store.execute("select * from permits").fetchall()
        store.close()
        return rows


@contextmanager
def running(home: Path, secret: str) -> Iterator[int]:
    """Yields the port of the documented program."""
    (program,) = [fence.text for fence in fences(PAGE) if fence.language == "python"]
    (home / "receiver.py").write_text(program)
    port = free_port()
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "receiver.py"],
            cwd=home,
            env={**os.environ, "CALLBACK_SECRET": secret, "PORT": str(port)},
            stderr=log,
        )
    try:
        wait_until(lambda: process.poll() is not None or accepts_connections(port), "the receiver")
        assert process.poll() is None, (home / "log").read_text()
        yield port
    finally:
        process.kill()
        process.wait()


async def test_documented_receiver_acts_once_and_only_on_valid_signatures(
    tmp_path: Path,
) -> None:
    old, value = with_new_secret(None, b"1" * 32, datetime.now(UTC))
    _, value = with_new_secret(value, b"2" * 32, datetime.now(UTC))
    # The partner still uses the older of two live secrets.
    with running(tmp_path, old) as port:
        receiver = Receiver(tmp_path, port, live_secrets(value))
        first, again, *_ = await asyncio.gather(*(receiver.call("cb_1") for _ in range(10)))
        other = await receiver.call("cb_2", BODY.replace(b"txn_1", b"txn_2"))
        forged = await receiver.call("cb_3", sent=BODY.replace(b"25.10", b"99.10"))
        stale = await receiver.call("cb_4", at=datetime.now(UTC) - timedelta(minutes=10))
        receiver.secrets = live_secrets(with_new_secret(None, b"3" * 32, datetime.now(UTC))[1])
        unknown = await receiver.call("cb_5")
        permits = receiver.permits()
        await receiver.client.close()

    assert [response.status_code for response in (first, again, other)] == [204] * 3
    assert [response.status_code for response in (forged, stale, unknown)] == [401] * 3
    assert permits == [("txn_1", "25.10"), ("txn_2", "25.10")]


def test_documented_retry_schedule_is_the_real_one() -> None:
    text = PAGE.read_text().replace("\n", " ")
    (pauses,) = re.findall(r"At once, then after (.*?), each pause", text)
    units = {"s": 1, "min": 60, "h": 3600}
    found = re.findall(r"([0-9]+) (s|min|h)", pauses)

    assert tuple(int(count) * units[unit] for count, unit in found) == RETRY_SECONDS


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_documented_headers_are_the_ones_sent(name: str) -> None:
    assert name in signed_headers("cb_1", datetime.now(UTC), b"", [])
    assert f"| `{name}` |" in PAGE.read_text()
