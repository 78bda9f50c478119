"""The receiver that docs/callbacks.md shows, run as it stands there."""

import asyncio
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from authorizer.callbacks.client import CallbackClient
from cardops.rules.callbacks.callbacks import RETRY_SECONDS, Response, sign
from cardops.rules.callbacks.secrets import live_secrets, with_new_secret
from orchestration.local.ports import responses
from tests.factories.documents import DOCS, fences
from tests.servers.file_servers import free_port

PAGE = DOCS / "callbacks.md"
BODY = b'{"transaction_id":"txn_1","status":"PERMIT","amount":25.10,"currency":"USD"}'


class Receiver:
    """The program of the page as a process, and a client that calls it."""

    def __init__(self, home: Path, port: int, secrets: list[str]) -> None:
        self.home, self.port, self.secrets = home, port, secrets
        self.client = CallbackClient(allow_loopback=True)

    async def call(
        self, callback_id: str, body: bytes = BODY, *, at: datetime | None = None,
        sent: bytes | None = None,
    ) -> Response:  # fmt: skip
        headers = sign(callback_id, at or datetime.now(UTC), body, self.secrets)
        url = f"http://127.0.0.1:{self.port}/cardops"
        return await self.client.post(url, sent or body, headers, is_test=True)

    def permits(self) -> list[tuple[str, str]]:
        with sqlite3.connect(self.home / "callbacks.db") as store:
            found = store.execute("select * from permits").fetchall()
        store.close()
        return found


@contextmanager
def running(home: Path, secret: str) -> Iterator[int]:
    """Yields the port of the page's program."""
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
        end = time.monotonic() + 20
        while not responses(port):
            assert process.poll() is None, (home / "log").read_text()
            assert time.monotonic() < end
            time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait()


async def test_the_receiver_of_the_page_acts_once_on_what_we_signed_and_on_nothing_else(
    tmp_path: Path,
) -> None:
    old, value = with_new_secret(None, b"1" * 32, datetime.now(UTC))
    _, value = with_new_secret(value, b"2" * 32, datetime.now(UTC))
    # The partner has not changed over yet: the older of two live secrets still verifies.
    with running(tmp_path, old) as port:
        receiver = Receiver(tmp_path, port, live_secrets(value))
        first, again, *_ = await asyncio.gather(*(receiver.call("cb_1") for _ in range(10)))
        other = await receiver.call("cb_2", BODY.replace(b"txn_1", b"txn_2"))
        forged = await receiver.call("cb_3", sent=BODY.replace(b"25.10", b"99.10"))
        stale = await receiver.call("cb_4", at=datetime.now(UTC) - timedelta(minutes=10))
        receiver.secrets = live_secrets(with_new_secret(None, b"3" * 32, datetime.now(UTC))[1])
        strange = await receiver.call("cb_5")
        permits = receiver.permits()
        await receiver.client.close()

    assert [one.status_code for one in (first, again, other)] == [204] * 3
    assert [one.status_code for one in (forged, stale, strange)] == [401] * 3
    assert permits == [("txn_1", "25.10"), ("txn_2", "25.10")]


def test_the_schedule_of_the_page_is_the_one_that_is_kept() -> None:
    told = PAGE.read_text().replace("\n", " ")
    (pauses,) = re.findall(r"At once, then after (.*?), each pause", told)
    units = {"s": 1, "min": 60, "h": 3600}
    found = re.findall(r"([0-9]+) (s|min|h)", pauses)

    assert tuple(int(count) * units[unit] for count, unit in found) == RETRY_SECONDS


@pytest.mark.parametrize("words", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_the_headers_of_the_page_are_those_that_are_sent(words: str) -> None:
    assert words in sign("cb_1", datetime.now(UTC), b"", live_secrets(None))
    assert f"| `{words}` |" in PAGE.read_text()
