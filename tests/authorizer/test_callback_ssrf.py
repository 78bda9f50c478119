"""No callback reaches an inner host: by no URL, by no answer of a name server, by no redirect.

A listener stands where an attacker would like to get to, and every connect of this process is
recorded (sys.addaudithook), so that "refused" is seen from both ends.
"""

# ruff: noqa: RUF001, S104 - look-alikes are the point, and nothing is bound

import asyncio
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from authorizer import callback_client
from authorizer.callback_addresses import CheckedResolver, Found, LookUp, look_up
from authorizer.callback_client import CallbackClient
from cardops.adapters.postgresql.connection import connect
from cardops.rules.callbacks import Response
from tests.builders.authorizer_process import AuthorizerProcess
from tests.builders.partners import Partner, a_partner, answering

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
    # IPv6, also what carries an IPv4 address
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
    # names that are not the partner's, or not quite
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
    # characters that end or begin something elsewhere
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

# Alone and beside a public address, in both orders; IPv6 where there is a colon.
INNER = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "100.64.0.1", "100.100.100.200",
    "169.254.169.254", "169.254.170.2", "168.63.129.16", "172.16.0.1", "172.31.255.255",
    "192.0.0.192", "192.168.1.1", "198.18.0.1", "192.88.99.1", "224.0.0.251", "255.255.255.255",
    "240.0.0.1", "::1", "::", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254",
    "::ffff:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::",
    "2002:a9fe:a9fe::", "2001::7f00:1", "2001:db8::1", "3fff::1", "fc00::1", "fd00:ec2::254",
    "fe80::1", "fe80::1%lo", "fec0::1", "ff02::1", "100::1", "5f00::1",
]  # fmt: skip
PUBLIC = ["93.184.216.34", "2606:4700::1111"]


class Listener:
    """Where nobody may get to."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(0.05)
        self.port: int = self._socket.getsockname()[1]
        self.connections = 0
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._ends.is_set():
            try:
                self._socket.accept()[0].close()
            except TimeoutError:
                continue
            self.connections += 1

    def close(self) -> None:
        self._ends.set()
        self._thread.join()
        self._socket.close()


class Connects:
    """Every address that this process connects a socket to, while `is_on`."""

    def __init__(self) -> None:
        self.is_on = False
        self.addresses: list[Any] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.is_on and event == "socket.connect":
            self.addresses.append(arguments[1])


CONNECTS: list[Connects] = []


@pytest.fixture(scope="module")
def the_listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    time.sleep(0.2)  # one that is on its way is heard too
    made.close()
    assert made.connections == 0


@pytest.fixture
def listener(the_listener: Listener) -> Iterator[Listener]:
    yield the_listener
    assert the_listener.connections == 0


@pytest.fixture
def connects() -> Iterator[list[Any]]:
    """A hook can never be taken away again, so there is one for all tests."""
    if not CONNECTS:
        CONNECTS.append(Connects())
    heard = CONNECTS[0]
    heard.is_on, heard.addresses = True, []
    yield heard.addresses
    heard.is_on = False


class Names:
    """A name server that says what a test wants, one answer a question, and remembers."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, host: str, port: int, family: socket.AddressFamily) -> Found:
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (address, port, 0, 0) if ":" in address else (address, port),
            )
            for address in answer
        ]


@asynccontextmanager
async def a_client(
    names: LookUp = look_up, *, allow_loopback: bool = False
) -> AsyncIterator[CallbackClient]:
    client = CallbackClient(look_up=names, allow_loopback=allow_loopback)
    try:
        yield client
    finally:
        await client.close()


async def post(client: CallbackClient, url: str, *, is_test: bool = False) -> Response:
    return await client.post(url, b"{}", {}, is_test=is_test)


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
def test_at_intake_every_hostile_url_is_422_and_nothing_is_called(
    api: AuthorizerProcess, listener: Listener
) -> None:
    taken = []
    for number, url in enumerate(URLS):
        body = {
            "transaction_id": f"ssrf-{number}",
            "user_id": "u",
            "amount": 1,
            "callback_url": url.format(port=listener.port) if "{port}" in url else url,
        }
        reply = api.ask(body, key=api.live)  # type: ignore[attr-defined]
        if reply.status != 422 or "callback_url" not in reply.body.decode():
            taken.append((url, reply.status, reply.body))
    with connect(api.url) as session:
        owed = session.execute("select count(*) from callbacks").fetchone()
        used_up = session.execute("select count(*) from decisions").fetchone()
    time.sleep(1.0)  # a worker would have taken it by now

    assert len(URLS) >= 100
    assert taken == []
    assert (owed, used_up) == ((0,), (0,))


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
def test_a_test_key_that_may_call_this_machine_may_call_no_other(
    api: AuthorizerProcess, url: str
) -> None:
    body = {"transaction_id": "t", "user_id": "u", "amount": 1, "callback_url": url}

    assert api.ask(body).status == 422


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("mixed", ["alone", "after a public one", "before a public one"])
async def test_an_answer_with_an_inner_address_is_refused_whole(
    inner: str, mixed: str, listener: Listener, connects: list[Any]
) -> None:
    answers = {
        "alone": [inner],
        "after a public one": [*PUBLIC, inner],
        "before a public one": [inner, *PUBLIC],
    }
    names = Names(answers[mixed])
    async with a_client(names) as client:
        said = await post(client, f"https://hooks.example.com:{listener.port}/")

    assert said.status_code is None
    assert "not public" in str(said.error)
    assert names.asked == ["hooks.example.com"]
    assert connects == []


@pytest.mark.parametrize("inner", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1"])
async def test_a_name_that_turns_inner_between_check_and_connect_is_refused_by_the_socket(
    inner: str, listener: Listener, connects: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Rebound(CheckedResolver):
        @override
        async def resolve(self, *arguments: Any, **options: Any) -> Any:
            checked = await super().resolve(*arguments, **options)
            family = socket.AF_INET6 if ":" in inner else socket.AF_INET
            return [{**one, "host": inner, "family": family} for one in checked]

    monkeypatch.setattr(callback_client, "CheckedResolver", Rebound)
    async with a_client(Names([PUBLIC[0]])) as client:
        said = await post(client, f"https://hooks.example.com:{listener.port}/")

    assert "not public" in str(said.error)
    assert connects == []


async def test_a_kept_connection_outlives_a_change_of_names_and_a_new_one_does_not(
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
    assert len(names.asked) == 2
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
async def test_a_url_that_came_past_intake_is_refused_where_it_connects(
    url: str, listener: Listener, connects: list[Any]
) -> None:
    """With the system's own resolver, as if intake had judged nothing."""
    async with a_client(allow_loopback=True) as client:
        said = await post(client, url.format(port=listener.port))

    assert said.status_code is None
    assert said.error
    assert connects == []


@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.1:{port}/", "//127.0.0.1:{port}/", "http://[::1]:{port}/", "unix:///x"],
)
async def test_a_redirect_is_a_failure_and_never_followed(
    status: int, location: str, listener: Listener, connects: list[Any]
) -> None:
    target = location.format(port=listener.port)
    said_there = (
        f"HTTP/1.1 {status} Moved\r\nlocation: {target}\r\nrefresh: 0; url={target}\r\n"
        f'alt-svc: h2="127.0.0.1:{listener.port}"\r\ncontent-length: 0\r\n\r\n'
    )
    partner: Partner
    async with (
        a_partner(answering(said_there.encode())) as partner,
        a_client(allow_loopback=True) as client,
    ):
        said = [await post(client, partner.url, is_test=True) for _ in range(2)]

    assert [one.error for one in said] == [f"The endpoint answered {status}."] * 2
    assert connects == [("127.0.0.1", partner.port)]


async def test_a_proxy_of_the_environment_is_not_used(
    listener: Listener, connects: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{listener.port}")
    monkeypatch.delenv("no_proxy", raising=False)
    async with a_partner() as partner, a_client(allow_loopback=True) as client:
        said = await post(client, partner.url, is_test=True)

    assert said.status_code == 200
    assert connects == [("127.0.0.1", partner.port)]


async def test_the_name_that_was_registered_is_what_the_partner_sees(connects: list[Any]) -> None:
    async with (
        a_partner() as partner,
        a_client(Names(["127.0.0.1"]), allow_loopback=True) as client,
    ):
        await post(client, f"http://hooks.example.com:{partner.port}/a%2Fb?c=%20d", is_test=True)

    assert partner.requests[0][0]["host"] == f"hooks.example.com:{partner.port}"


async def test_those_that_wait_for_one_name_share_one_question() -> None:
    asked = []

    def slowly(host: str, port: int, family: socket.AddressFamily) -> Found:
        asked.append(host)
        time.sleep(0.1)
        return Names(["10.0.0.1"])(host, port, family)

    client = CallbackClient(look_up=slowly)
    try:
        said = await asyncio.gather(*(post(client, "https://a.example.com/") for _ in range(50)))
    finally:
        await client.close()

    assert asked == ["a.example.com"]
    assert all("not public" in str(one.error) for one in said)


async def test_names_that_are_slow_to_look_up_hold_up_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(callback_client, "CONNECT_SECONDS", 0.3)

    def stuck(host: str, port: int, family: socket.AddressFamily) -> Found:
        if "stuck" in host:
            time.sleep(1.0)
        return Names(["127.0.0.1"])(host, port, family)

    async with a_partner() as partner:
        client = CallbackClient(allow_loopback=True, look_up=stuck)
        waiting = [
            asyncio.create_task(post(client, f"http://stuck{n}.example.com/")) for n in range(20)
        ]
        await asyncio.sleep(0.05)
        started = time.perf_counter()
        said = await post(client, f"http://well.example.com:{partner.port}/", is_test=True)
        seconds = time.perf_counter() - started
        late = await asyncio.gather(*waiting)
        await client.close()

    assert (said.status_code, seconds < 0.25) == (200, True)
    assert {one.error for one in late} == {"ConnectionTimeoutError: No connection in 0.3 s."}
