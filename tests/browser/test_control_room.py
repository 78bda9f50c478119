"""The control room in a real browser: what an operator does there, over one home and one `cardops up`.

`make screenshots` runs these tests and writes what they see to docs/images.
"""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect

from cardops.adapters.warehouse.dbt_docs import DbtDocs
from tests.factories.browsers import chromium, new_profile
from tests.factories.databases import new_home
from tests.factories.waiting import wait_until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.soak,
    pytest.mark.database,
    pytest.mark.dagster,
    pytest.mark.timeout(1800),
]
ROOT = Path(__file__).resolve().parents[2]
# Where screenshots are written; unset, none are.
SCREENSHOTS = "SCREENSHOTS_TO"
PATIENCE_SECONDS = 300.0
PATIENCE_MILLISECONDS = 120_000
DAYS = 3
TODAY = datetime.now(UTC).date()
FIRST = TODAY - timedelta(days=DAYS - 1)

DEPOSITS = """\
user_id,amount,deposit_id,timestamp
user_1,25.00,dep_1,2026-01-01T00:00:00Z
user_2,1250.50,dep_2,2026-01-01T00:00:00Z
user_2,0.00,dep_3,2026-01-01T00:00:00Z
user_3,1.005,dep_4,2026-01-01T00:00:00Z
"""
TRANSACTIONS = """\
transaction_id,order_id,user_id,amount,currency,payment_method,provider,status,created_at
txn_1,ord_1,user_1,40.00,USD,card,visa,completed,2026-01-01T00:00:00Z
txn_2,ord_2,user_2,50.00,USD,card,mastercard,completed,2026-01-01T00:00:00Z
"""
CHARGEBACKS = """\
transaction_id,chargeback_amount,currency,card_network,case_number,dispute_date,reason_code
txn_1,40.00,USD,visa,case_1,2026-02-01,10.4
txn_2,50.00,USD,mastercard,case_2,2026-02-01,4837
"""
MATERIALIZED = """query made($key: AssetKeyInput!) { assetOrError(assetKey: $key) { ... on Asset {
    assetMaterializations(limit: 50) { partition runId } } } }"""


@dataclass
class ControlRoom:
    """A running `cardops up`, and a browser in front of it."""

    home: Path
    addresses: dict[str, Any]
    # One for all tests, so that the UI's scripts are loaded and compiled once.
    context: BrowserContext

    def drop(self, kind: str, name: str, text: str) -> None:
        folder = self.home / "raw" / "incoming" / kind
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.part").write_text(text)
        (folder / f"{name}.part").replace(folder / name)

    def open(self, path: str, height: int = 900) -> Page:
        return self.page(self.addresses["ui"] + path, 1440, height)

    def page(self, address: str, width: int = 1100, height: int = 500) -> Page:
        """Any page, in a tab of its own."""
        shown = self.context.new_page()
        shown.set_viewport_size({"width": width, "height": height})
        shown.goto(address)
        return shown

    def made(self, asset: str) -> list[dict[str, Any]]:
        """Materializations of an asset, newest first, as the UI's own server tells them."""
        body = {"query": MATERIALIZED, "variables": {"key": {"path": [asset]}}}
        request = urllib.request.Request(  # noqa: S310 - our own address
            self.addresses["ui"] + "/graphql",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - as above
            found = json.load(response)["data"]["assetOrError"]
        return list(found.get("assetMaterializations", []))

    def wait_for(self, asset: str, count: int = 1) -> list[dict[str, Any]]:
        wait_until(
            lambda: len(self.made(asset)) >= count,
            f"{count} materializations of {asset}",
            seconds=PATIENCE_SECONDS,
            pause_seconds=0.5,
        )
        return self.made(asset)


def photograph(shown: Page, name: str) -> None:
    """Keep what is seen, where screenshots are wanted; pictures of it are in docs/control-room.md."""
    folder = os.environ.get(SCREENSHOTS)
    if folder:
        shown.wait_for_timeout(1500)  # what moves comes to rest
        path = Path(folder) / f"{name}.png"
        shown.screenshot(path=path)
        # A page has few colours: a third of the size.
        Image.open(path).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE).save(
            path, optimize=True
        )


def start(home: Path) -> subprocess.Popen[str]:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("CARDOPS_")
    }
    return subprocess.Popen(
        [sys.executable, "-m", "orchestration.cli.main", "up", "--json"],
        cwd=ROOT,
        env={
            **inherited,
            "CARDOPS_HOME": str(home),
            "CARDOPS_FIRST_BUSINESS_DATE": FIRST.isoformat(),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


@pytest.fixture(scope="module")
def room() -> Iterator[ControlRoom]:
    """The day of the tests: a file with bad rows, one that is refused whole, and disputes of two networks."""
    with new_home() as home, chromium() as browser:
        docs = DbtDocs(home / "dbt_docs")
        docs.page.parent.mkdir()
        docs.page.write_text("not looked at here")
        (docs.page.parent / "project_hash").write_text(docs._hash_of_project())
        process = start(home)
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line, "it ended before it was ready"
            context = new_profile(browser, PATIENCE_MILLISECONDS)
            expect.set_options(timeout=PATIENCE_MILLISECONDS)
            running = ControlRoom(home, json.loads(line), context)
            running.drop("deposits", "monday.csv", DEPOSITS)
            running.drop("transactions", "monday.csv", TRANSACTIONS)
            running.drop("chargebacks", "monday.csv", CHARGEBACKS)
            running.wait_for("chargeback_deliveries", 4)
            # After the good one: this run fails, and shows what both brought.
            running.drop("deposits", "empty.csv", "")
            running.wait_for("deposits")
            yield running
        finally:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            process.wait(timeout=240)
            process.stdout.close()


def test_graph_opens_with_the_groups_of_the_data_flow(room: ControlRoom) -> None:
    shown = room.open("/asset-groups")

    for group in ("intake", "balances", "chargebacks", "delivery", "control", "analytics"):
        expect(shown.get_by_text(group, exact=True).first).to_be_visible()
    photograph(shown, "asset-graph")


def test_subject_of_disputes_finds_assets_whose_names_do_not_say_it(room: ControlRoom) -> None:
    shown = room.open('/assets?asset-selection=tag%3A"cardops%2Fdisputes"')

    for asset in ("chargebacks", "chargeback_files", "chargeback_deliveries"):
        expect(shown.get_by_text(asset, exact=True).first).to_be_visible()
    expect(shown.get_by_text("fraud_rings", exact=True)).to_have_count(0)


def test_operator_runs_an_asset(room: ControlRoom) -> None:
    before = len(room.made("acknowledgements"))
    shown = room.open("/assets/acknowledgements")

    shown.get_by_role("button", name="Materialize").first.click()

    expect(shown.get_by_text("Launched run")).to_be_visible()
    room.wait_for("acknowledgements", before + 1)


def test_operator_backfills_a_range_of_dates(room: ControlRoom) -> None:
    """Balances are asked for; the UI says that their log is made with them, and asks once."""
    shown = room.open("/assets/balances?view=partitions")

    shown.get_by_role("button", name="Materialize").first.click()
    dialog = shown.get_by_role("dialog")
    expect(dialog.get_by_text("transaction_log")).to_be_visible()
    dialog.get_by_role("button", name="Confirm").click()
    dialog.get_by_role("button", name="All", exact=True).click()
    expect(dialog.get_by_text(f"{DAYS} partitions").first).to_be_visible()
    photograph(shown, "backfill")
    dialog.get_by_role("button", name="Launch backfill").click()

    made = room.wait_for("balances", DAYS)
    dates = [(FIRST + timedelta(days=number)).isoformat() for number in range(DAYS)]
    assert sorted(event["partition"] for event in made) == dates
    runs = {event["runId"] for event in made}
    assert len(runs) == DAYS
    assert {event["runId"] for event in room.wait_for("transaction_log", DAYS)} == runs


def test_failed_check_says_what_happened_and_names_its_runbook(room: ControlRoom) -> None:
    shown = room.open("/assets/deposits?view=checks&checkDetail=every_deposit_file_can_be_read")

    expect(shown.get_by_text("empty.csv").first).to_be_visible()
    expect(shown.get_by_text("Failed", exact=True).first).to_be_visible()
    expect(shown.get_by_text("docs/runbooks/quarantine.md").first).to_be_visible()
    photograph(shown, "failed-check")

    overview = room.open("/assets/deposits?view=overview")
    link = overview.get_by_role("link", name="docs/runbooks/quarantine.md")
    runbook = room.page(str(link.first.get_attribute("href")))
    expect(runbook.get_by_role("heading", name="Do this now")).to_be_visible()


def test_deposits_show_quarantined_rows_columns_and_plots(room: ControlRoom) -> None:
    shown = room.open("/assets/deposits?view=overview", height=1600)

    expect(shown.get_by_text("The sender's id of the deposit").first).to_be_visible()
    expect(shown.get_by_text("non_positive_amount").first).to_be_visible()
    expect(shown.get_by_text("too_many_fraction_digits").first).to_be_visible()
    photograph(shown, "deposits")
    shown.get_by_role("button", name="Plots").click()
    for figure in ("accepted_USD", "quarantined_percent", "seconds"):
        expect(shown.get_by_text(figure, exact=True).first).to_be_visible()
    expect(shown.locator("canvas").nth(5)).to_be_visible()


def test_quarantine_page_shows_refused_rows_with_their_reasons(room: ControlRoom) -> None:
    overview = room.open("/assets/deposits?view=overview")
    address = f"{room.addresses['pages']}/quarantine"
    link = overview.get_by_role("link", name=address, exact=True).first
    page = room.page(str(link.get_attribute("href")))

    expect(page.get_by_text("empty.csv").first).to_be_visible()
    page.get_by_role("link", name="monday.csv").click()

    expect(page.get_by_text("non_positive_amount")).to_be_visible()
    photograph(page, "quarantine")


def test_batches_and_networks_are_seen_at_a_glance(room: ControlRoom) -> None:
    shown = room.open("/assets/chargeback_deliveries?view=overview")
    link = str(shown.get_by_role("link", name="/deliveries").first.get_attribute("href"))

    row = shown.locator("tr", has_text="batches_and_networks").filter(has_text="Show Markdown")
    row.get_by_text("Show Markdown").click()
    picture = shown.get_by_role("img", name="Batches and card companies")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") > 500

    page = room.page(link)
    expect(page.locator("td.done")).to_have_count(2)
    expect(page.locator("td.none")).to_have_count(2)
    photograph(page, "deliveries")


def test_columns_of_a_chargeback_file_say_what_they_are_made_from(room: ControlRoom) -> None:
    shown = room.open("/assets/chargeback_files?view=overview")

    made = "Made from dispute_amount_minor, dispute_currency of chargebacks."
    expect(shown.get_by_text(made)).to_be_visible()
    photograph(shown, "chargeback-file-columns")


def test_closes_of_dates_are_a_picture(room: ControlRoom) -> None:
    """The two dates before today were never closed."""
    shown = room.open("/assets/daily_closes?view=overview")
    shown.get_by_role("button", name="Materialize").first.click()
    room.wait_for("daily_closes")
    shown.reload()

    row = shown.locator("tr", has_text="picture")
    row.get_by_text("Show Markdown").click()
    expect(shown.get_by_role("img", name="Closes of business dates")).to_be_visible()
    expect(shown.get_by_text(f"{FIRST.isoformat()}: missed.")).to_be_visible()
    photograph(shown, "daily-closes")
