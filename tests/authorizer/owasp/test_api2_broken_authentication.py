"""API2:2023: only a valid key with its whole secret authenticates, until a second after revocation."""

import base64
import time

import pytest

from tests.authorizer.owasp.conftest import Target
from tests.servers.raw_http import exchange, request

pytestmark = pytest.mark.database


def headers(target: Target) -> list[str]:
    key = target.key
    prefix, _, secret = key.rpartition("_")
    basic = base64.b64encode(key.encode()).decode()
    return [
        "", "Bearer", "Bearer ", key, f"Basic {basic}", f"Token {key}", f"Bearer {key} {key}",
        f"Bearer {key},{key}", f"Bearer {key[:-1]}", f"Bearer {key}A", f"Bearer {prefix}_",
        f"Bearer {prefix}_{'A' * len(secret)}", f"Bearer {prefix}_{secret.swapcase()}",
        f"Bearer {key.replace('_test_', '_live_')}", f"Bearer {key.upper()}",
        f'Bearer "{key}"', "Bearer cpk_test_' or '1'='1_x", "Bearer cpk_test_%00_x",
        f"Bearer {'A' * 5000}", "Bearer null", "Bearer undefined", "Bearer eyJhbGciOiJub25lIn0.e30.",
    ]  # fmt: skip


def test_invalid_key_is_refused_identically_on_every_route(target: Target) -> None:
    routes = [
        ("POST", "/v1/authorizations"), ("GET", "/v1/authorizations/x"),
        ("POST", "/v1/authorizations/x/capture"), ("POST", "/v1/authorizations/x/void"),
        ("POST", "/v1/authorizations/x/refund"), ("POST", "/v1/authorizations/x/increment"),
        ("GET", "/v1/users/x/credit"), ("GET", "/v1/callbacks"), ("POST", "/v1/callbacks/x/replay"),
    ]  # fmt: skip
    bodies = set()
    for header in headers(target):
        for method, path in routes:
            reply = target.call(method, path, key=None, headers={"authorization": header})
            assert (reply.status, reply.problem) == (401, "unauthorized"), header
            assert reply.headers["www-authenticate"] == "Bearer"
            bodies.add(reply.body)
    assert len(bodies) == 1, "a response must not reveal which part of a key is wrong"


def test_key_outside_the_authorization_header_is_ignored(target: Target) -> None:
    path = f"/v1/callbacks?key={target.key}&access_token={target.key}&authorization={target.key}"

    assert target.call("GET", path, key=None).problem == "unauthorized"
    cookies = {"cookie": f"key={target.key}", "x-api-key": target.key}
    assert target.call("GET", "/v1/callbacks", key=None, headers=cookies).problem == "unauthorized"


def test_second_authorization_header_is_ignored(target: Target) -> None:
    raw = (
        f"GET /v1/callbacks HTTP/1.1\r\nhost: a\r\nauthorization: Bearer x\r\n"
        f"authorization: Bearer {target.key}\r\nconnection: close\r\n\r\n"
    )
    assert exchange(target.port, raw.encode()).problem == "unauthorized"


def test_revoked_key_is_refused_after_a_second(target: Target) -> None:
    key = target.programs.create_key("default", "k", ["authorizations:read"], is_test=True)
    assert target.call("GET", "/v1/users/x/credit", key=key.key).status == 404

    target.programs.revoke_key(key.key_id)
    time.sleep(1.0)

    assert target.call("GET", "/v1/users/x/credit", key=key.key).status == 401


def test_keys_rotate_without_a_gap(target: Target) -> None:
    old, new = (
        target.programs.create_key("default", "k", ["authorizations:read"], is_test=True)
        for _ in range(2)
    )
    both = [target.call("GET", "/v1/users/x/credit", key=key.key).status for key in (old, new)]
    target.programs.revoke_key(old.key_id)
    time.sleep(1.0)
    after = [target.call("GET", "/v1/users/x/credit", key=key.key).status for key in (old, new)]

    assert (both, after) == ([404, 404], [401, 404])


def test_secret_of_a_key_is_never_shown_again(target: Target) -> None:
    secret = target.key.rpartition("_")[2]
    listed = repr(target.programs.keys())

    assert secret not in listed
    assert target.key not in (target.home / "authorizer.log").read_text()


def test_bearer_scheme_is_case_insensitive(target: Target) -> None:
    raw = request("GET", "/v1/callbacks", {"authorization": f"bearer {target.key}"})

    assert exchange(target.port, raw).status == 200
