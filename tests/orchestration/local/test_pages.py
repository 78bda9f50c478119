"""Pages for a browser: reports, runbooks and quarantine, to this machine alone, and nothing else of the home."""

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import httpx
import pytest

from cardops.ports import Acknowledgements
from cardops.rules.deliveries.records import DeliveryState
from cardops.rules.intake.files import FileOutcome
from cardops.services.deliveries.board import DeliveryBoard
from cardops.services.intake.quarantine import folder_of
from orchestration.local.pages import POLICY, Pages, app
from orchestration.local.ports import HOST
from tests.factories.deliveries import a_made_file
from tests.factories.intake import A_DAY, an_arrival
from tests.fakes.acknowledgements import FakeAcknowledgements
from tests.fakes.clock import FakeClock
from tests.fakes.delivery_ledger import FakeDeliveryLedger
from tests.fakes.intake_ledger import FakeIntakeLedger
from tests.fakes.object_store import FakeObjectStore

ORIGIN = f"http://{HOST}:8090"


@dataclass
class Home:
    """A home with what pages are made of."""

    folder: Path
    ledger: FakeIntakeLedger = field(default_factory=FakeIntakeLedger)
    failed: FakeObjectStore = field(default_factory=FakeObjectStore)
    deliveries: FakeDeliveryLedger = field(default_factory=FakeDeliveryLedger)

    def get(self, path: str, origin: str = ORIGIN) -> httpx.Response:
        board = DeliveryBoard(
            self.deliveries, cast("Acknowledgements", FakeAcknowledgements()), self.ledger
        )
        pages = Pages(self.folder / "reports", self.ledger, self.failed, board, FakeClock())

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=app(pages))
            async with httpx.AsyncClient(transport=transport, base_url=origin) as client:
                return await client.get(path)

        return asyncio.run(ask())

    def quarantine(self, raw: str) -> int:
        """A file of which one row was refused."""
        claimed, _ = self.ledger.claim(an_arrival("incoming/deposits/<b>.csv"), A_DAY)
        self.ledger.finish(
            claimed.intake_id, FileOutcome(read=1, quarantined=1, reasons={"invalid_amount": 1})
        )
        lines = (
            f'source_file,row_number,reasons,raw\n{claimed.arrival.key},2,invalid_amount,"{raw}"\n'
        )
        self.failed.create(f"{folder_of(claimed.arrival)}/rows.csv", lines.encode())
        return claimed.intake_id


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "secrets.json").write_text("a secret")
    (tmp_path / "reports").mkdir()
    return Home(tmp_path)


def test_reports_are_listed_newest_first_and_shown_as_they_were_written(home: Home) -> None:
    for day in ("2026-11-19", "2026-11-20"):
        (home.folder / "reports" / f"daily_report_{day}.html").write_text(f"<p>the day {day}</p>")
    (home.folder / "reports" / "daily_report_2026-11-20_edition_1.html").write_text("former")

    listed, shown = home.get("/"), home.get("/reports/2026-11-20")

    assert listed.text.index("/reports/2026-11-20") < listed.text.index("/reports/2026-11-19")
    assert "edition" not in listed.text
    assert (shown.status_code, shown.text) == (200, "<p>the day 2026-11-20</p>")
    assert shown.headers["content-security-policy"] == POLICY


def test_runbook_is_a_page_with_its_tables_and_links(home: Home) -> None:
    shown = home.get("/docs/runbooks/README.md")

    assert shown.status_code == 200
    assert "<h1>Runbooks</h1>" in shown.text
    assert "<table>" in shown.text
    assert '<a href="run-failure.md">' in shown.text
    assert home.get("/docs/runbooks/run-failure.md").status_code == 200


def test_quarantine_shows_refused_rows_with_reasons_as_text(home: Home) -> None:
    intake_id = home.quarantine("u1,<script>alert(1)</script>")

    listed, shown = home.get("/quarantine"), home.get(f"/quarantine/{intake_id}")

    assert f'<a href="/quarantine/{intake_id}">incoming/deposits/&lt;b&gt;.csv</a>' in listed.text
    assert "1 invalid_amount" in listed.text
    assert "u1,&lt;script&gt;alert(1)&lt;/script&gt;" in shown.text
    assert "<script>" not in shown.text
    assert f"cardops quarantine release {intake_id}" in shown.text


def test_file_refused_whole_says_why(home: Home) -> None:
    refused = home.ledger.refuse(an_arrival(), A_DAY, FileOutcome(error="It is <empty>."))

    assert "It is &lt;empty&gt;." in home.get(f"/quarantine/{refused.intake_id}").text


def test_deliveries_show_each_batch_with_its_networks_and_what_needs_a_person(home: Home) -> None:
    visa = a_made_file(home.deliveries, FakeObjectStore(), "default-1", network="visa")
    home.deliveries.record(replace(visa, state=DeliveryState.DELIVERED))
    amex = a_made_file(home.deliveries, FakeObjectStore(), "default-1", network="amex")
    home.deliveries.record(replace(amex, state=DeliveryState.FAILED, last_error="amex: <refused>."))

    shown = home.get("/deliveries").text

    assert "1 file needs a person" in shown
    assert '<td class="done">delivered<small>3 rows' in shown
    assert '<td class="todo">failed<small>amex: &lt;refused&gt;.</small></td>' in shown
    assert shown.count('<td class="none">no file') == 2


def test_deliveries_say_where_no_file_was_made_yet(home: Home) -> None:
    assert "No chargeback file was made yet." in home.get("/deliveries").text


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
    ],
)
def test_nothing_else_is_shown(home: Home, path: str) -> None:
    response = home.get(path)

    assert response.status_code == 404
    assert "a secret" not in response.text
    assert "Not found" in response.text


def test_another_sites_name_gets_nothing(home: Home) -> None:
    assert home.get("/", origin="http://example.com").status_code == 400
