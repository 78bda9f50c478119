"""API4:2023: size, depth, duration and rate of requests are limited."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from authorizer.server.bounded_protocol import MAX_HEADERS, TIMEOUT_SECONDS
from tests.authorizer.owasp.conftest import Target
from tests.servers.authorizer_process import AuthorizerProcess
from tests.servers.raw_http import exchange, request
from tests.servers.starvation import Starvation

pytestmark = pytest.mark.database


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 16_000, b'{"a":' * 3_000, b'{"metadata":' + b"[" * 8_000, b"9" * 16_000,
        b'{"transaction_id":"t","user_id":"u","amount":' + b"1" * 16_000 + b"}",
        b'{"transaction_id":"t","user_id":"u","amount":1,"metadata":{"a":' + b"[" * 4000 + b"]" * 4000 + b"}}",
        b'{"transaction_id":"t","user_id":"u","amount":1,"metadata":{' + b",".join(b'"%d":0' % n for n in range(1800)) + b',"0":1}}',
    ],
)  # fmt: skip
def test_json_bomb_within_the_size_limit_is_refused_quickly(target: Target, body: bytes) -> None:
    seconds = []
    for _ in range(3):
        started = time.monotonic()
        assert target.authorize(body).status == 422
        seconds.append(time.monotonic() - started)

    # The bomb would cost as much each time, a busy machine only once.
    assert min(seconds) < 1.0


def test_body_over_the_limit_is_refused_with_or_without_a_length(target: Target) -> None:
    key = {"authorization": f"Bearer {target.key}", "content-type": "application/json"}
    with_length = request(
        "POST", "/v1/authorizations", {**key, "content-length": "999999999999999999"}
    )
    chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
    chunked = request("POST", "/v1/authorizations", {**key, "transfer-encoding": "chunked"})

    assert exchange(target.port, with_length).problem == "body-too-large"
    assert exchange(target.port, chunked, chunk, chunk).problem == "body-too-large"


def test_too_many_or_too_long_headers_are_431(target: Target) -> None:
    many = {f"x-{number}": "1" for number in range(MAX_HEADERS + 1)}

    assert exchange(target.port, request("GET", "/livez", many)).problem == "headers-too-large"
    long = request("GET", "/livez", {"x-long": "a" * 100_000})
    assert exchange(target.port, long).problem == "headers-too-large"
    path = request("GET", "/livez?" + "a" * 100_000)
    assert exchange(target.port, path).problem == "headers-too-large"


def test_endless_headers_are_disconnected(target: Target) -> None:
    flood = [b"x-%d: %s\r\n" % (number, b"a" * 1000) for number in range(2_000)]

    reply = exchange(target.port, b"GET /livez HTTP/1.1\r\n", *flood)

    assert reply.status in {431, 0}, "a response, or a reset connection"


@pytest.mark.soak  # test_http_protocol tests the same with a shorter timeout
def test_slow_and_silent_clients_are_disconnected(target: Target) -> None:
    """Slowloris: 64 connections that never end their headers, others that never begin."""
    started = time.monotonic()
    slow, silent = [], []
    for _ in range(64):
        slow.append(socket.create_connection(("127.0.0.1", target.port), timeout=30))
        silent.append(socket.create_connection(("127.0.0.1", target.port), timeout=30))
    try:
        for connection in slow:
            connection.sendall(b"GET /livez HTTP/1.1\r\nhost: a\r\n")
        assert target.call("GET", "/livez", key=None).status == 200
        responses = [connection.recv(4096) for connection in slow]
        ends = [connection.recv(4096) for connection in silent]
    finally:
        for connection in [*slow, *silent]:
            connection.close()

    assert time.monotonic() - started < 3 * TIMEOUT_SECONDS
    assert all(response.startswith(b"HTTP/1.1 408") for response in responses)
    assert ends == [b""] * 64


@pytest.mark.parametrize("path", ["/v1/authorizations", "/v1/authorizations/t/refund"])
def test_missing_body_times_out_with_408(target: Target, path: str) -> None:
    headers = {
        "authorization": f"Bearer {target.key}", "content-type": "application/json",
        "content-length": "100",
    }  # fmt: skip
    undecided = undecided_counts(target)
    starved = Starvation(target.process.pid)
    started = time.monotonic()
    reply = exchange(target.port, request("POST", path, headers) + b"{", seconds=60)

    assert (reply.status, reply.problem) == (408, "request-timeout")
    assert time.monotonic() - started - starved.seconds() < 6
    assert undecided_counts(target) == undecided, "the store was not called"


def undecided_counts(target: Target) -> list[str]:
    text = target.call("GET", "/metrics", key=None).body.decode()
    return [line for line in text.splitlines() if 'kind="undecided"' in line and "_total" in line]


def test_flood_of_unknown_keys_does_not_block_valid_keys(target: Target) -> None:
    user = target.a_user(100_000)

    def send_with_unknown_key(number: int) -> int:
        return target.authorize({}, key=f"cpk_test_stranger{number}_x").status

    with ThreadPoolExecutor(16) as pool:
        refusals = pool.map(send_with_unknown_key, range(600))
        statuses = {target.authorize(target.a_body(user, amount=1)).status for _ in range(40)}
        assert statuses == {200}
        assert set(refusals) <= {401, 503}


def test_rate_limit_holds_and_retry_after_is_sufficient(database_url: str, tmp_path: Path) -> None:
    settings = {"CARDOPS_KEY_REQUESTS_PER_SECOND": "4"}
    with AuthorizerProcess(database_url, tmp_path, settings) as api:
        started = time.monotonic()
        replies = [api.call("GET", "/v1/users/x/credit") for _ in range(40)]
        seconds = time.monotonic() - started
        limited = [reply for reply in replies if reply.status == 429]
        assert 4 <= 40 - len(limited) <= 4 + 4 * seconds + 1
        assert limited[-1].problem == "too-many-requests"
        time.sleep(int(limited[-1].headers["retry-after"]))
        assert api.call("GET", "/v1/users/x/credit").status == 404
