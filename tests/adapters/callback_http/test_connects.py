"""At connect: no callback reaches an internal host, by DNS answers, literals or redirects.

A listener plays the internal host, and every connect of this process is recorded
(sys.addaudithook), so that a refusal is observed from both ends.
"""

# ruff: noqa: S104 - nothing is bound

import asyncio
import socket
import threading
import time
from typing import Any

import pytest
from typing_extensions import override

from cardops.adapters.callback_http import client as callback_client
from cardops.adapters.callback_http.addresses import AddressEntries, CheckedResolver
from cardops.adapters.callback_http.client import CallbackClient
from tests.servers.internal_hosts import Listener, Names, a_client, post
from tests.servers.partners import Partner, a_partner, responding

# Alone and beside a public address, in both orders; IPv6 where there is a colon.
INTERNAL = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "100.64.0.1", "100.100.100.200",
    "169.254.169.254", "169.254.170.2", "168.63.129.16", "172.16.0.1", "172.31.255.255",
    "192.0.0.192", "192.168.1.1", "198.18.0.1", "192.88.99.1", "224.0.0.251", "255.255.255.255",
    "240.0.0.1", "::1", "::", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254",
    "::ffff:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::",
    "2002:a9fe:a9fe::", "2001::7f00:1", "2001:db8::1", "3fff::1", "fc00::1", "fd00:ec2::254",
    "fe80::1", "fe80::1%lo", "fec0::1", "ff02::1", "100::1", "5f00::1",
]  # fmt: skip
PUBLIC = ["93.184.216.34", "2606:4700::1111"]


@pytest.mark.parametrize("internal", INTERNAL)
@pytest.mark.parametrize("mixed", ["alone", "after a public one", "before a public one"])
async def test_host_with_any_internal_address_is_refused(
    internal: str, mixed: str, listener: Listener, connects: list[Any]
) -> None:
    addresses = {
        "alone": [internal],
        "after a public one": [*PUBLIC, internal],
        "before a public one": [internal, *PUBLIC],
    }
    names = Names(addresses[mixed])
    async with a_client(names) as client:
        response = await post(client, f"https://hooks.example.com:{listener.port}/")

    assert response.status_code is None
    assert "not public" in str(response.error)
    assert names.lookups == ["hooks.example.com"]
    assert connects == []


@pytest.mark.parametrize("internal", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1"])
async def test_socket_refuses_a_name_rebound_to_an_internal_address(
    internal: str, listener: Listener, connects: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Rebound(CheckedResolver):
        @override
        async def resolve(self, *arguments: Any, **options: Any) -> Any:
            checked = await super().resolve(*arguments, **options)
            family = socket.AF_INET6 if ":" in internal else socket.AF_INET
            return [{**entry, "host": internal, "family": family} for entry in checked]

    monkeypatch.setattr(callback_client, "CheckedResolver", Rebound)
    async with a_client(Names([PUBLIC[0]])) as client:
        response = await post(client, f"https://hooks.example.com:{listener.port}/")

    assert "not public" in str(response.error)
    assert connects == []


async def test_reused_connection_survives_a_dns_change_and_a_new_one_is_checked(
    listener: Listener, connects: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = Names(["127.0.0.1"], ["10.0.0.1"])
    async with a_partner() as partner, a_client(names, allow_loopback=True) as client:
        url = f"http://hooks.example.com:{partner.port}/"
        first = await post(client, url, is_test=True)
        second = await post(client, url, is_test=True)
        monkeypatch.setattr(callback_client, "SESSION_SECONDS", 0.0)
        await asyncio.sleep(0.01)
        third = await post(client, url, is_test=True)

    assert (first.status_code, second.status_code, third.status_code) == (200, 200, None)
    assert len(names.lookups) == 2
    assert connects == [("127.0.0.1", partner.port)]


LITERALS = [
    "http://127.0.0.1:{port}/", "http://127.1:{port}/", "http://0:{port}/",
    "http://2130706433:{port}/", "http://0x7f000001:{port}/", "http://0x7f.1:{port}/",
    "http://017700000001:{port}/", "http://0177.0.0.1:{port}/", "http://[::1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/", "http://[::127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/", "http://[::]:{port}/", "http://0.0.0.0:{port}/",
    "http://localhost:{port}/", "http://LOCALHOST:{port}/", "http://localhost.:{port}/",
    "http://[64:ff9b::7f00:1]:{port}/", "http://169.254.169.254/", "http://168.63.129.16/",
    "http://[fe80::1%25lo]:{port}/", "unix:///tmp/x", "file:///etc/passwd", "ftp://127.0.0.1/",
    "http://user@127.0.0.1:{port}/", "http://example.com\\@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\\@example.com/", "http+unix://%2Ftmp%2Fx/", "http:///", "http://:80/",
]  # fmt: skip


@pytest.mark.parametrize("url", LITERALS)
async def test_hostile_url_that_passed_intake_is_refused_at_connect(
    url: str, listener: Listener, connects: list[Any]
) -> None:
    """With the system's own resolver, as if intake had checked nothing."""
    async with a_client(allow_loopback=True) as client:
        response = await post(client, url.format(port=listener.port))

    assert response.status_code is None
    assert response.error
    assert connects == []


@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.1:{port}/", "//127.0.0.1:{port}/", "http://[::1]:{port}/", "unix:///x"],
)
async def test_redirect_is_a_failure_and_never_followed(
    status: int, location: str, listener: Listener, connects: list[Any]
) -> None:
    target = location.format(port=listener.port)
    redirect = (
        f"HTTP/1.1 {status} Moved\r\nlocation: {target}\r\nrefresh: 0; url={target}\r\n"
        f'alt-svc: h2="127.0.0.1:{listener.port}"\r\ncontent-length: 0\r\n\r\n'
    )
    partner: Partner
    async with (
        a_partner(responding(redirect.encode())) as partner,
        a_client(allow_loopback=True) as client,
    ):
        responses = [await post(client, partner.url, is_test=True) for _ in range(2)]

    assert [response.error for response in responses] == [f"The endpoint answered {status}."] * 2
    assert connects == [("127.0.0.1", partner.port)]


async def test_proxy_of_the_environment_is_not_used(
    listener: Listener, connects: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{listener.port}")
    monkeypatch.delenv("no_proxy", raising=False)
    async with a_partner() as partner, a_client(allow_loopback=True) as client:
        response = await post(client, partner.url, is_test=True)

    assert response.status_code == 200
    assert connects == [("127.0.0.1", partner.port)]


async def test_partner_receives_the_registered_host_name(connects: list[Any]) -> None:
    async with (
        a_partner() as partner,
        a_client(Names(["127.0.0.1"]), allow_loopback=True) as client,
    ):
        await post(client, f"http://hooks.example.com:{partner.port}/a%2Fb?c=%20d", is_test=True)

    assert partner.requests[0][0]["host"] == f"hooks.example.com:{partner.port}"


async def test_concurrent_lookups_of_one_name_share_one_query() -> None:
    lookups = []

    def slowly(host: str, port: int, family: socket.AddressFamily) -> AddressEntries:
        lookups.append(host)
        time.sleep(0.1)
        return Names(["10.0.0.1"])(host, port, family)

    client = CallbackClient(look_up=slowly)
    try:
        responses = await asyncio.gather(
            *(post(client, "https://a.example.com/") for _ in range(50))
        )
    finally:
        await client.close()

    assert lookups == ["a.example.com"]
    assert all("not public" in str(response.error) for response in responses)


async def test_slow_name_lookups_do_not_delay_other_hosts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(callback_client, "CONNECT_SECONDS", 0.8)
    may_end = threading.Event()

    def stuck(host: str, port: int, family: socket.AddressFamily) -> AddressEntries:
        if "stuck" in host:
            may_end.wait(60)
        return Names(["127.0.0.1"])(host, port, family)

    async with a_partner() as partner:
        client = CallbackClient(allow_loopback=True, look_up=stuck)
        waiting = [
            asyncio.create_task(post(client, f"http://stuck{n}.example.com/")) for n in range(20)
        ]
        await asyncio.sleep(0.05)
        response = await post(client, f"http://prompt.example.com:{partner.port}/", is_test=True)
        still_waiting = sum(not task.done() for task in waiting)
        late = await asyncio.gather(*waiting)
        may_end.set()
        await client.close()

    # All of them still ask for their names when it has its answer.
    assert (response.status_code, still_waiting) == (200, 20)
    assert {response.error for response in late} == {
        "ConnectionTimeoutError: No connection in 0.8 s."
    }
