"""A request whose callback URL could lead to an internal host is refused, and nothing is called.

A listener plays the internal host. URLs that pass this check are tested at connect, in
tests/adapters/callback_http/test_connects.py.
"""

# ruff: noqa: RUF001 - look-alikes are the point, and nothing is bound

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cardops.adapters.postgresql.connection import connect
from tests.servers.authorizer_process import AuthorizerProcess
from tests.servers.internal_hosts import Listener

# `{port}` is where the listener is.
URLS = [
    # plain, and every spelling of an IPv4 address
    "https://127.0.0.1:{port}/",
    "http://127.0.0.1:{port}/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://127.0.1/",
    "https://0/",
    "https://0.0.0.0/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://127.0.0.1./",
    "https://1.1.1.1/",
    "https://10.0.0.1/",
    "https://192.168.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://2852039166/latest/meta-data/",
    "https://168.63.129.16/",
    "https://100.100.100.200/",
    # IPv6, also addresses that embed an IPv4 address
    "https://[::1]/",
    "https://[::1]:{port}/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b::169.254.169.254]/",
    "https://[2002:7f00:1::]/",
    "https://[fd00:ec2::254]/",
    "https://[fe80::1%25eth0]/",
    "https://[fe80::1%eth0]/",
    "https://[2606:4700::1111]/",
    "https://[::1",
    "https://::1/",
    # names that are not the partner's, or look like it
    "https://localhost:{port}/",
    "https://localhost/",
    "https://localtest.me/",
    "https://metadata.google.internal/",
    "https://127.0.0.1.nip.io/",
    "https://hooks.example.com.evil.test/",
    "https://evilhooks.example.com/",
    "https://hooks.example.com./",
    "https://hooks.example.com../",
    "https://.hooks.example.com/",
    "https://example.com/",
    "https://hooks.example.com%2eevil.test/",
    "https://hooks%2eexample.com/",
    "https://%68ooks.example.com/",
    "https://127%2e0%2e0%2e1/",
    "https://hooks.example.com。evil.test/",
    "https://hooks。example。com/",
    "https://127。0。0。1/",
    "https://ｈooks.example.com/",
    "https://①②⑦.⓪.⓪.①/",
    "https://hooks.example.com\u00ad/",
    "https://xn--hooks.example.com/",
    "https://hooks_example_com/",
    "https://*/",
    "https:///",
    "https:/hooks.example.com/",
    "https:hooks.example.com/",
    "https://?hooks.example.com",
    # where parsers disagree
    "https://hooks.example.com@127.0.0.1:{port}/",
    "https://127.0.0.1:{port}@hooks.example.com/",
    "https://hooks.example.com:x@127.0.0.1/",
    "https://@hooks.example.com/",
    "https://hooks.example.com%40127.0.0.1/",
    "https://hooks.example.com\\@127.0.0.1:{port}/",
    "https://127.0.0.1:{port}\\@hooks.example.com/",
    "https:\\\\127.0.0.1\\",
    "https://hooks.example.com#@127.0.0.1/",
    "https://127.0.0.1#@hooks.example.com/",
    "https://hooks.example.com/#",
    "https://hooks.example.com;127.0.0.1/",
    "https://hooks.example.com,127.0.0.1/",
    "https://hooks.example.com&@127.0.0.1/",
    "https://[hooks.example.com]/",
    "https://hooks.example.com[::1]/",
    # ports
    "https://hooks.example.com:80/",
    "https://hooks.example.com:0/",
    "https://hooks.example.com:22/",
    "https://hooks.example.com:8443/",
    "https://hooks.example.com:-443/",
    "https://hooks.example.com:65979/",
    "https://hooks.example.com:443:80/",
    "https://hooks.example.com:٤٤٣/",
    # schemes
    "http://hooks.example.com/",
    "HTTP://hooks.example.com/",
    "FILE:///etc/passwd",
    "file://hooks.example.com/etc/passwd",
    "ftp://hooks.example.com/",
    "gopher://127.0.0.1:{port}/_GET",
    "unix:///var/run/docker.sock",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
    "dict://127.0.0.1:{port}/",
    "ldap://127.0.0.1:{port}/",
    "javascript:alert(1)",
    "data:text/plain,x",
    "wss://hooks.example.com/",
    "https+x://hooks.example.com/",
    "//hooks.example.com/",
    "hooks.example.com",
    "",
    # characters that other parsers treat as delimiters
    "https://hooks.example.com/\n",
    "https://hooks.example.com\n.evil.test/",
    "https://hooks.example.com/\r\nhost: 127.0.0.1",
    "https://hooks.example.com/\t",
    "https://hooks.exa\tmple.com/",
    "https://hooks.example.com/\0",
    "https://hooks.example.com\0.evil.test/",
    "https://hooks.example.com/\u2028",
    " https://hooks.example.com/",
    "https://hooks.example.com/ ",
    "https://hooks.example.com/a b",
    "\u200bhttps://hooks.example.com/",
    "https://hooks.example.com/" + "a" * 2048,
]


@pytest.fixture(scope="module")
def api(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AuthorizerProcess]:
    home: Path = tmp_path_factory.mktemp("ssrf")
    settings = {"CARDOPS_ALLOW_LOOPBACK_CALLBACKS": "true"}
    with AuthorizerProcess(module_database_url, home, settings) as started:
        started.live = started.programs.create_key(  # type: ignore[attr-defined]
            "default", "live", ["authorizations:write"], is_test=False
        ).key
        yield started


@pytest.mark.database
def test_hostile_callback_url_is_422_and_never_called(
    api: AuthorizerProcess, listener: Listener
) -> None:
    accepted = []
    for number, url in enumerate(URLS):
        body = {
            "transaction_id": f"ssrf-{number}",
            "user_id": "u",
            "amount": 1,
            "callback_url": url.format(port=listener.port) if "{port}" in url else url,
        }
        reply = api.authorize(body, key=api.live)  # type: ignore[attr-defined]
        if reply.status != 422 or "callback_url" not in reply.body.decode():
            accepted.append((url, reply.status, reply.body))
    with connect(api.url) as session:
        pending = session.execute("select count(*) from callbacks").fetchone()
        used_up = session.execute("select count(*) from decisions").fetchone()
    time.sleep(1.0)  # long enough for a worker to send it

    assert len(URLS) >= 100
    assert accepted == []
    assert (pending, used_up) == ((0,), (0,))


@pytest.mark.database
@pytest.mark.parametrize(
    "url",
    [
        "https://169.254.169.254/",
        "http://10.0.0.1/",
        "http://127.0.0.1.nip.io/",
        "http://localhost.evil.test/",
        "http://user@127.0.0.1/",
        "http://[::ffff:10.0.0.1]/",
        "file://localhost/etc/passwd",
    ],
)
def test_test_key_may_call_loopback_but_no_other_host(api: AuthorizerProcess, url: str) -> None:
    body = {"transaction_id": "t", "user_id": "u", "amount": 1, "callback_url": url}

    assert api.authorize(body).status == 422
