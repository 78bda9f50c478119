"""API10:2023: responses of a partner's endpoint are truncated, cleaned and never followed."""

import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typing_extensions import override

from tests.servers.authorizer_process import AuthorizerProcess

pytestmark = pytest.mark.database
SETTINGS = {"CARDOPS_ALLOW_LOOPBACK_CALLBACKS": "true"}


class Partner(socketserver.ThreadingTCPServer):
    """A server that answers every call with the same bytes and counts calls."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, response: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.response, self.calls = response, 0
        self.port: int = self.server_address[1]


class Handler(socketserver.StreamRequestHandler):
    @override
    def handle(self) -> None:
        assert isinstance(self.server, Partner)
        self.server.calls += 1
        try:
            self.request.recv(65_536)
            self.wfile.write(self.server.response)
        except OSError:
            pass


@contextmanager
def partner(response: bytes) -> Iterator[Partner]:
    server = Partner(response)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_hostile_callback_responses_are_truncated_and_cleaned(
    database_url: str, tmp_path: Path
) -> None:
    with partner(b"HTTP/1.1 204 No Content\r\n\r\n") as inner:
        redirect = (
            b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:%d/\r\ncontent-length: 0\r\n\r\n"
        )
        responses = {
            "redirect": redirect % inner.port,
            "flood": b"HTTP/1.1 500 X\r\ncontent-length: 9999999\r\n\r\n" + b"A" * 2_000_000,
            "controls": b"HTTP/1.1 500 X\r\ncontent-length: 9\r\n\r\n<script>\x00",
            "no http": b"\x00\x01\x02 not http\r\n\r\n",
            "long reason": b"HTTP/1.1 500 " + b"R" * 7_000 + b"\r\ncontent-length: 0\r\n\r\n",
        }
        with AuthorizerProcess(database_url, tmp_path, SETTINGS) as api:
            for number, response in enumerate(responses.values()):
                with partner(response) as hostile:
                    url = f"http://127.0.0.1:{hostile.port}/"
                    body = {"transaction_id": f"t{number}", "user_id": "u", "amount": 1}
                    assert api.authorize(body | {"callback_url": url}).status == 200
                    callback = attempted_callback(api, f"t{number}")
                assert callback["status"] == "pending"
                assert len(callback["last_error"]) < 4_096
                assert "\x00" not in callback["last_error"]
                assert callback["last_status_code"] in {302, 500, None}
            assert api.call("GET", "/readyz", key=None).status == 200
            log = (tmp_path / "authorizer.log").read_text()
        assert inner.calls == 0, "a redirect was followed"
        assert "<script>" not in log
        assert "AAAA" not in log


def attempted_callback(api: AuthorizerProcess, transaction_id: str) -> dict[str, object]:
    """The callback, once it was attempted."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        for callback in api.call("GET", "/v1/callbacks").json["data"]:
            if callback["transaction_id"] == transaction_id and callback["last_error"]:
                return dict(callback)
        time.sleep(0.1)
    raise AssertionError(transaction_id)
