"""The shipped proxy, in a real Apache: who signs in gets the UI of the group, under the own name."""

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest
import websockets

from cardops.rules.audit import AuditResult
from orchestration.ui.visitors import Visitors
from orchestration.ui.webserver import LAUNCHED_BY, app
from tests.factories import ui_requests
from tests.factories.pages_home import PagesHome
from tests.fakes.audit_trail import FakeAuditTrail
from tests.servers.dagster_ui import HEADER, serving, ui_processes
from tests.servers.oidc_proxy import apache, is_installed, provider, sign_in

pytestmark = [
    pytest.mark.dagster,
    pytest.mark.timeout(180),
    pytest.mark.skipif(
        not is_installed(), reason="apt-get install apache2 libapache2-mod-auth-openidc"
    ),
]


DAY, REPORT = "2026-11-20", "<p>The report of a day.</p>"
RECORD = "user_1,nothing"


@dataclass
class Site:
    """The proxy's address, the provider's, and what is behind."""

    url: str
    provider_url: str
    trail: FakeAuditTrail
    instance: dg.DagsterInstance

    def visitor(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, follow_redirects=True, timeout=30)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("apache")
    home = PagesHome(tmp_path_factory.mktemp("home"))
    home.quarantine(RECORD)
    home.report(DAY, REPORT)
    trail = FakeAuditTrail()
    with ExitStack() as stack:
        processes = stack.enter_context(ui_processes())
        ports = [
            stack.enter_context(serving(app(process, lambda: trail, Visitors(HEADER))))
            for process in processes.values()
        ]
        ports.append(stack.enter_context(serving(home.app())))
        provider_url = stack.enter_context(provider())
        url = stack.enter_context(apache(folder, provider_url, *ports))
        yield Site(url, provider_url, trail, processes["operators"].instance)


@pytest.fixture
def visitor(site: Site) -> Iterator[Callable[[str], httpx.Client]]:
    """A browser in which a person signed in."""
    with ExitStack() as stack:

        def signed_in(person: str) -> httpx.Client:
            client = stack.enter_context(site.visitor())
            sign_in(client, person)
            return client

        yield signed_in


def test_whoever_is_not_signed_in_is_sent_to_the_provider(site: Site) -> None:
    with site.visitor() as client:
        pages = [client.get(path, follow_redirects=False) for path in ("/", "/analysts/runs")]
        asked = client.post("/graphql", json=ui_requests.launch(), follow_redirects=False)

    for page in pages:
        assert page.status_code == 302
        assert page.headers["location"].startswith(f"{site.provider_url}/oauth2/authorize?")
    assert asked.status_code == 401
    assert site.trail.records == []


def test_operator_reaches_the_ui_and_launches_under_the_own_name(
    site: Site, visitor: Callable[[str], httpx.Client]
) -> None:
    ann = visitor("ann")
    forged = {HEADER: "eve@example.com", "X-Forwarded-Host": "evil.example", "Origin": site.url}

    page = ann.get("/runs")
    launched = ui_requests.answer(
        ann.post("/graphql", json=ui_requests.launch(), headers=forged).json()
    )

    assert page.status_code == 200
    assert "Dagster" in page.text
    run = site.instance.get_run_by_id(launched["run"]["runId"])
    assert run is not None
    assert run.tags[LAUNCHED_BY] == "ann@example.com"
    record = site.trail.records[-1]
    assert (record.entry.actor, record.entry.via) == ("ann@example.com", "proxy")
    assert record.result is AuditResult.DONE
    assert ann.get("/analysts/runs").status_code == 200


def test_analyst_looks_at_everything_and_launches_nothing(
    site: Site, visitor: Callable[[str], httpx.Client]
) -> None:
    bob = visitor("bob")
    before = (site.instance.get_runs_count(), len(site.trail.records))
    forged = {HEADER: "ann@example.com"}

    page = bob.get("/analysts/runs")
    runs = bob.post("/analysts/graphql", json=ui_requests.body(ui_requests.RUNS))
    launches = [
        bob.post(path, json=ui_requests.launch(), headers=forged)
        for path in ("/analysts/graphql", "/graphql", "/analysts/../graphql", "//graphql")
    ]

    assert (page.status_code, runs.status_code) == (200, 200)
    assert [launch.status_code for launch in launches] == [403] * 4
    assert "This UI is read-only" in launches[0].text
    assert "in no group that may open this page" in launches[1].text
    assert (site.instance.get_runs_count(), len(site.trail.records)) == before


def test_operator_reads_every_page_and_stays_behind_the_proxy(
    site: Site, visitor: Callable[[str], httpx.Client]
) -> None:
    ann = visitor("ann")

    overview = ann.get("/pages")
    quarantine = ann.get("/pages/quarantine/")
    (address,) = re.findall('href="(/pages/quarantine/[0-9]+)"', quarantine.text)

    assert str(overview.url) == f"{site.url}/pages/"
    assert f'href="/pages/reports/{DAY}"' in overview.text
    assert ann.get(f"/pages/reports/{DAY}").text == REPORT
    assert RECORD in ann.get(address).text
    assert ann.get("/pages/deliveries").status_code == 200
    assert "<h1>Runbooks</h1>" in ann.get("/pages/docs/runbooks/README.md").text


def test_analyst_reads_reports_and_documentation_but_no_record_of_a_customer(
    visitor: Callable[[str], httpx.Client],
) -> None:
    bob = visitor("bob")
    open_to_bob = ("/pages", "/pages/", f"/pages/reports/{DAY}", "/pages/docs/alarms.md")
    closed = (
        *("/pages/quarantine", "/pages/quarantine/1", "/pages/deliveries", "/pages//quarantine"),
        *(
            "/pages/reports/%2e%2e/quarantine",
            "/pages/docs/..%2fquarantine",
            "/pages/./quarantine/1",
        ),
        *("/pages/docs/..;/quarantine", "/pages%2fquarantine", "/pages/docs/%252e%252e/quarantine"),
    )

    assert [bob.get(path).status_code for path in open_to_bob] == [200] * len(open_to_bob)
    answers = [bob.get(path) for path in closed]
    assert {answer.status_code for answer in answers} <= {403, 404}
    assert not any(RECORD in answer.text or "Quarantine</h1>" in answer.text for answer in answers)


def test_other_groups_get_nothing(visitor: Callable[[str], httpx.Client]) -> None:
    eve = visitor("eve")

    pages = [
        eve.get(path)
        for path in (
            "/",
            "/runs",
            "/analysts/runs",
            "/server_info",
            "/pages/",
            f"/pages/reports/{DAY}",
        )
    ]

    assert {page.status_code for page in pages} == {403}


def test_page_of_another_site_changes_nothing_by_a_session(
    site: Site, visitor: Callable[[str], httpx.Client]
) -> None:
    ann = visitor("ann")
    before = len(site.trail.records)

    posted = ann.post(
        "/graphql", json=ui_requests.launch(), headers={"Origin": "https://evil.example"}
    )
    by_link = ann.get("/graphql", params={"query": "mutation { reloadWorkspace { __typename } }"})

    assert (posted.status_code, by_link.status_code) == (403, 403)
    assert len(site.trail.records) == before
    (cookie,) = [cookie for cookie in ann.cookies.jar if "session" in cookie.name]
    assert "HttpOnly" in cookie._rest  # type: ignore[attr-defined] # it has no public name
    assert cookie._rest.get("SameSite") == "Lax"  # type: ignore[attr-defined] # as above


def test_subscriptions_of_the_ui_pass(site: Site, visitor: Callable[[str], httpx.Client]) -> None:
    def subscribe(client: httpx.Client | None, path: str) -> Any:
        async def talk() -> Any:
            cookies = client.cookies if client else {}
            header = "; ".join(f"{name}={value}" for name, value in cookies.items())
            async with websockets.connect(
                f"{site.url.replace('http', 'ws')}{path}",
                subprotocols=[websockets.Subprotocol("graphql-ws")],
                additional_headers={"Cookie": header},
                origin=websockets.Origin(site.url),
            ) as socket:
                await socket.send(json.dumps({"type": "connection_init"}))
                return json.loads(await socket.recv())

        return asyncio.run(talk())

    assert subscribe(visitor("ann"), "/graphql") == {"type": "connection_ack"}
    assert subscribe(visitor("bob"), "/analysts/graphql") == {"type": "connection_ack"}
    for stranger, path in ((None, "/graphql"), (visitor("bob"), "/graphql")):
        with pytest.raises(websockets.InvalidStatus):
            subscribe(stranger, path)
