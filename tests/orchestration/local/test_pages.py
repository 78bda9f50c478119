"""Pages for a browser: reports, runbooks and quarantine, to this machine alone, and nothing else of the home."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from cardops.rules.deliveries.records import DeliveryState
from cardops.rules.intake.files import FileOutcome
from orchestration.local.pages import POLICY
from orchestration.local.ports import HOST
from tests.factories.deliveries import a_made_file
from tests.factories.intake import A_DAY, an_arrival
from tests.factories.pages_home import PagesHome
from tests.fakes.object_store import FakeObjectStore

ORIGIN = f"http://{HOST}:8090"
Get = Callable[..., httpx.Response]


@pytest.fixture
def home(tmp_path: Path) -> PagesHome:
    (tmp_path / "secrets.json").write_text("a secret")
    return PagesHome(tmp_path)


@pytest.fixture
def get(home: PagesHome) -> Get:
    """The answer to one request."""

    def answer(path: str, origin: str = ORIGIN) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=home.app())
            async with httpx.AsyncClient(transport=transport, base_url=origin) as client:
                return await client.get(path)

        return asyncio.run(ask())

    return answer


def test_reports_are_listed_newest_first_and_shown_as_they_were_written(
    home: PagesHome, get: Get
) -> None:
    for day in ("2026-11-19", "2026-11-20"):
        home.report(day, f"<p>the day {day}</p>")
    home.report("2026-11-20_edition_1", "former")

    listed, shown = get("/"), get("/reports/2026-11-20")

    assert listed.text.index("/reports/2026-11-20") < listed.text.index("/reports/2026-11-19")
    assert "edition" not in listed.text
    assert (shown.status_code, shown.text) == (200, "<p>the day 2026-11-20</p>")
    assert shown.headers["content-security-policy"] == POLICY


def test_runbook_is_a_page_with_its_tables_and_links(get: Get) -> None:
    shown = get("/docs/runbooks/README.md")

    assert shown.status_code == 200
    assert "<h1>Runbooks</h1>" in shown.text
    assert "<table>" in shown.text
    assert '<a href="run-failure.md">' in shown.text
    assert get("/docs/runbooks/run-failure.md").status_code == 200


def test_quarantine_shows_refused_rows_with_reasons_as_text(home: PagesHome, get: Get) -> None:
    intake_id = home.quarantine("u1,<script>alert(1)</script>")

    listed, shown = get("/quarantine"), get(f"/quarantine/{intake_id}")

    assert f'<a href="/quarantine/{intake_id}">incoming/deposits/&lt;b&gt;.csv</a>' in listed.text
    assert "1 invalid_amount" in listed.text
    assert "u1,&lt;script&gt;alert(1)&lt;/script&gt;" in shown.text
    assert "<script>" not in shown.text
    assert f"cardops quarantine release {intake_id}" in shown.text


def test_file_refused_whole_says_why(home: PagesHome, get: Get) -> None:
    refused = home.ledger.refuse(an_arrival(), A_DAY, FileOutcome(error="It is <empty>."))

    assert "It is &lt;empty&gt;." in get(f"/quarantine/{refused.intake_id}").text


def test_deliveries_show_each_batch_with_its_networks_and_what_needs_a_person(
    home: PagesHome, get: Get
) -> None:
    visa = a_made_file(home.deliveries, FakeObjectStore(), "default-1", network="visa")
    home.deliveries.record(replace(visa, state=DeliveryState.DELIVERED))
    amex = a_made_file(home.deliveries, FakeObjectStore(), "default-1", network="amex")
    home.deliveries.record(replace(amex, state=DeliveryState.FAILED, last_error="amex: <refused>."))

    shown = get("/deliveries").text

    assert "1 file needs a person" in shown
    assert '<td class="done">delivered<small>3 rows' in shown
    assert '<td class="todo">failed<small>amex: &lt;refused&gt;.</small></td>' in shown
    assert shown.count('<td class="none">no file') == 2


def test_deliveries_say_where_no_file_was_made_yet(get: Get) -> None:
    assert "No chargeback file was made yet." in get("/deliveries").text


@pytest.mark.parametrize(
    "path",
    [
        "/reports/..%2Fsecrets",
        "/reports/2026-11-21",
        "/docs/..%2F..%2Fpyproject.toml",
        "/docs/%2Fetc%2Fpasswd",
        "/docs/nothing.md",
        "/quarantine/999",
        "/secrets.json",
        "/pages/pages/quarantine",
        "/pages/reports/..%2Fsecrets",
    ],
)
def test_nothing_else_is_shown(home: PagesHome, get: Get, path: str) -> None:
    response = get(path)

    assert response.status_code == 404
    assert "a secret" not in response.text
    assert "Not found" in response.text


def test_another_sites_name_gets_nothing(get: Get) -> None:
    assert get("/", origin="http://example.com").status_code == 400


@pytest.mark.parametrize("root", ["", "/pages"])
def test_pages_link_to_pages_by_the_way_they_were_asked_for(
    home: PagesHome, get: Get, root: str
) -> None:
    intake_id = home.quarantine("u1,5")
    home.report("2026-11-20", "the day")
    a_made_file(home.deliveries, FakeObjectStore(), "default-1", network="visa")
    addresses = ("/", "/quarantine", f"/quarantine/{intake_id}", "/deliveries", "/docs/alarms.md")

    shown = [get(f"{root}{address}") for address in (*addresses, "/nothing")]

    assert [page.status_code for page in shown] == [200] * len(addresses) + [404]
    links = {link for page in shown for link in re.findall('href="(/[^"]*)"', page.text)}
    assert links >= {f"{root}/reports/2026-11-20", f"{root}/quarantine/{intake_id}", f"{root}/"}
    for link in links:
        assert link.startswith(f"{root}/")
        assert get(link).status_code == 200


@pytest.mark.parametrize("name", ["%00", "a%00.md", "a" * 5_000, "a" * 5_000 + ".md"])
def test_name_that_no_file_can_have_is_not_found(get: Get, name: str) -> None:
    for path in (f"/docs/{name}", f"/reports/{name}"):
        assert get(path).status_code == 404
