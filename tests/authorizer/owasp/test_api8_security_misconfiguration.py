"""API8:2023: no leaks, no cross-origin access, no request smuggling, no internals in responses."""

import base64
import hashlib
import json
import re

import pytest

from tests.authorizer.owasp.conftest import Target
from tests.factories.waiting import wait_until
from tests.servers.raw_http import RawReply, exchange, request

pytestmark = pytest.mark.database
INTERNALS = re.compile(
    r"traceback|\.py\b|asyncpg|psycopg|postgres|uvicorn|starlette|fastapi|msgspec|python/|sqlstate|"
    r"select |/home/|/usr/|line \d+|0x[0-9a-f]{6}", re.IGNORECASE,
)  # fmt: skip
HEAD = b"POST /v1/authorizations HTTP/1.1\r\nhost: a\r\n"
SMUGGLED = b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n"


def ambiguous() -> list[bytes]:
    return [
        HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        HEAD + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n" + SMUGGLED,
        HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello" + SMUGGLED,
        HEAD + b"content-length: 5, 6\r\n\r\nhello" + SMUGGLED,
        HEAD + b"content-length: +5\r\n\r\nhello" + SMUGGLED,
        HEAD + b"content-length: 0x5\r\n\r\nhello" + SMUGGLED,
        HEAD + b"content-length: -5\r\n\r\n" + SMUGGLED,
        HEAD + b"content-length : 5\r\n\r\nhello" + SMUGGLED,
        HEAD + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        HEAD + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
        HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n" + SMUGGLED,
        HEAD + b"transfer-encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n" + SMUGGLED,
        HEAD + b"transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello\r\n" + SMUGGLED,
        HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n" + SMUGGLED,
        HEAD + b" folded: x\r\n\r\n",
        HEAD + b"x\x00y: 1\r\n\r\n",
        HEAD + b"x: 1\x00\r\n\r\n",
        b"GET /livez HTTP/9.9\r\n\r\n",
        b"GET /li vez HTTP/1.1\r\n\r\n",
        b"FROBNICATE /livez HTTP/1.1\r\n\r\n",
        b"GET livez HTTP/1.1\r\nhost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\r\n" * 20_000 + b"x",
    ]


@pytest.mark.parametrize("number", range(len(ambiguous())))
def test_ambiguous_request_is_refused_and_smuggles_nothing(target: Target, number: int) -> None:
    reply = exchange(target.port, ambiguous()[number], seconds=2)

    assert b"cardops_http_requests" not in reply.data, "the smuggled request was answered"
    assert reply.count <= 2
    last = RawReply(reply.data[reply.data.rfind(b"HTTP/1.1 ") :])
    assert last.problem in {"malformed-http", "unauthorized", "unsupported-media-type"}
    assert "connection: close" in last.head
    assert not INTERNALS.search(reply.data.decode())


@pytest.mark.parametrize("host", ["", "evil.example", "a, b", "127.0.0.1:1@evil", "a" * 1000])
def test_host_header_changes_nothing(target: Target, host: str) -> None:
    usual = exchange(target.port, request("GET", "/problems/not-found"))
    reply = exchange(target.port, request("GET", "/problems/not-found", {"host": host}))

    assert reply.status == 200
    assert reply.data.partition(b"\r\n\r\n")[2] == usual.data.partition(b"\r\n\r\n")[2]


def test_absolute_target_is_not_proxied(target: Target) -> None:
    reply = exchange(target.port, request("GET", "http://169.254.169.254/latest"))

    assert reply.problem == "not-found"
    assert exchange(target.port, request("CONNECT", "169.254.169.254:80")).status in {400, 404, 405}


def test_http_1_0_request_is_answered_and_closed(target: Target) -> None:
    reply = exchange(target.port, b"GET /livez HTTP/1.0\r\n\r\n", seconds=2)

    assert (reply.status, reply.json) == (200, {"status": "ok"})


def test_pipelined_requests_are_answered_in_order(target: Target) -> None:
    page = b"GET /problems/forbidden HTTP/1.1\r\nhost: a\r\n\r\n"
    reply = exchange(target.port, page + page + request("GET", "/livez"))

    assert reply.count == 3
    assert reply.data.endswith(b'{"status":"ok"}')


def test_cross_origin_request_gets_no_cors_headers(target: Target) -> None:
    cors_headers = {
        "origin": "https://evil.example", "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }  # fmt: skip
    for method, path in (("OPTIONS", "/v1/authorizations"), ("GET", "/livez")):
        reply = target.call(method, path, key=None, headers=cors_headers)
        assert not [name for name in reply.headers if name.startswith("access-control-")]
    assert (
        target.call("OPTIONS", "/v1/callbacks", headers=cors_headers).problem
        == "method-not-allowed"
    )


def test_no_response_names_its_software(target: Target) -> None:
    replies = [
        target.call("GET", "/livez", key=None), target.call("GET", "/nope", key=None),
        target.authorize(b"{"), target.authorize(b"\xff"), target.authorize({}), target.call("PUT", "/livez"),
        target.call("GET", "/v1/authorizations/%00"), target.call("GET", "/v1/users/%ff%fe/credit"),
        target.call("GET", "/v1/callbacks?cursor=%27"), target.call("GET", "/v1/callbacks?limit=9e9"),
        target.call("GET", "/v1/callbacks?status=%27%20or%201=1--"),
    ]  # fmt: skip
    for reply in replies:
        assert reply.status < 500
        assert not {"server", "x-powered-by", "via"} & set(reply.headers)
        assert not INTERNALS.search(reply.body.decode()), reply.body


def test_responses_about_money_are_not_cacheable(target: Target) -> None:
    user = target.a_user()
    replies = [
        target.authorize(target.a_body(user)), target.call("GET", f"/v1/users/{user}/credit"),
        target.call("GET", "/v1/callbacks"), target.call("GET", "/v1/authorizations/unknown"),
    ]  # fmt: skip

    assert {reply.headers["cache-control"] for reply in replies} == {"no-store"}


def test_problem_page_runs_no_script_and_loads_nothing(target: Target) -> None:
    page = target.call("GET", "/problems/forbidden", key=None)

    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert not re.search(rb"<script|<link|<img|<iframe| on[a-z]+=", page.body)


def test_reference_loads_and_runs_only_its_own_scripts(
    target: Target,
) -> None:
    page = target.call("GET", "/docs", key=None)
    policy = dict(
        directive.split(" ", 1) for directive in page.headers["content-security-policy"].split("; ")
    )
    inline = re.findall(r"<script>(.*?)</script>", page.body.decode(), re.DOTALL)
    digests = [
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in inline
    ]
    loaded = re.findall(r'\b(?:src|href|url)\s*[=:]\s*["\']([^"\']*)', page.body.decode())

    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"].split() == ["'self'", *(f"'sha256-{digest}'" for digest in digests)]
    assert policy["connect-src"] == "'self'"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert set(loaded) == {
        "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css", "/openapi.json", "data:,",
    }  # fmt: skip
    assert not re.search(rb"<img|<iframe| on[a-z]+=", page.body)
    for path in sorted(set(loaded) - {"data:,"}):
        assert target.call("GET", path, key=None).status == 200


def test_log_is_json_lines_without_secrets_cards_or_bodies(
    target: Target,
) -> None:
    user = target.a_user()
    card, word = "4111111111111111", "wordofthebody"
    hostile = [
        target.a_body(user, metadata={"card": card, "word": word}), {card: word}, {"amount": card},
        f'{{"{word}": "{card}'.encode(), {"user_id": card, "transaction_id": word, "amount": word},
    ]  # fmt: skip
    for body in hostile:
        target.authorize(body)
        target.authorize(body, key=target.key + "x")
        target.call("GET", f"/v1/authorizations/{card}?{word}={target.key}")
    exchange(target.port, request("GET", f"/{card}/{word}", {"x": target.key}))
    last = target.authorize({}).headers["x-request-id"]
    log = target.home / "authorizer.log"
    wait_until(lambda: last in log.read_text(), "the line of the last request")
    first, *lines = log.read_text().splitlines()

    assert first.startswith("The authorizer listens at"), "the command's own message to its user"
    assert lines
    for line in lines:
        assert set(json.loads(line)) <= {
            "at", "level", "message", "request_id", "method", "route", "status", "milliseconds",
        }, line  # fmt: skip
    secret = target.key.rpartition("_")[2]
    assert not [line for line in lines if secret in line or card in line or word in line]
