"""dbt's docs in a real browser: the page asks nobody, finds marts, shows their types and their lineage."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect

from cardops.adapters.warehouse.dbt_docs import DbtDocs
from orchestration.local.dbt_docs import app
from orchestration.local.ports import HOST
from tests.factories.browsers import chromium
from tests.factories.waiting import wait_until

# The page is built first, which takes minutes on a busy machine.
pytestmark = [pytest.mark.browser, pytest.mark.soak, pytest.mark.timeout(1800)]
MART = "fct_chargeback_rate_monthly"
SHOWN_NODES = "() => graph.nodes().filter(node => node.visible()).map(node => node.id())"
MENU_ICONS = "() => [...document.querySelectorAll('.menu svg use')].map(icon => icon.href.baseVal)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> DbtDocs:
    built = DbtDocs(tmp_path_factory.mktemp("home") / "dbt_docs")
    assert built.build()
    return built


@contextmanager
def served(docs: DbtDocs) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(app(docs), host=HOST, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started, "the server", seconds=60)
        (port,) = (socket.getsockname()[1] for socket in server.servers[0].sockets)
        yield f"http://{HOST}:{port}/"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def address(docs: DbtDocs) -> Iterator[str]:
    with served(docs) as url:
        yield url


@pytest.fixture
def opened(browser: Browser, address: str) -> Iterator[Page]:
    """The page; after the test, all that it asked for and complained of."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    shown = context.new_page()
    complaints = list[str]()
    shown.on("console", lambda message: complaints.append(message.text))
    shown.on("pageerror", lambda error: complaints.append(str(error)))
    shown.on("request", lambda request: complaints.append(request.url))
    shown.goto(address)
    yield shown
    context.close()
    assert [text for text in complaints if not text.startswith("data:")] == [address]


def test_search_finds_a_mart_with_its_types(opened: Page) -> None:
    expect(opened.get_by_role("heading", name="The marts of Cardops")).to_be_visible()

    opened.get_by_placeholder("Search for models...").fill(MART.removeprefix("fct_"))
    opened.locator(".result-content h4", has_text=MART).click()

    expect(opened.locator("h1 .break", has_text=MART)).to_be_visible()
    row = opened.locator("tr", has_text="dispute_value_minor").first
    expect(row).to_contain_text("DECIMAL(38,0)")


def test_lineage_graph_shows_what_a_mart_is_made_of(opened: Page) -> None:
    opened.evaluate(f"location.hash = '!/model/model.cardops.{MART}'")
    expect(opened.locator("h1 .break", has_text=MART)).to_be_visible()
    opened.locator("[ng-click='onLauncherClick()']").click()

    expect(opened.locator(".launcher-content canvas").first).to_be_visible()
    expect(opened.locator(".launcher-content")).to_contain_text("Lineage Graph")
    names = {node.split(".")[2] for node in opened.evaluate(SHOWN_NODES)}
    assert {MART, "int_sales_by_month", "int_disputes_by_month", "chargeback_rates"} <= names
    assert "fct_quarantine" not in names


def test_folders_have_their_icons(opened: Page) -> None:
    expect(opened.get_by_text("Projects", exact=True)).to_be_visible()

    assert {"#icn-dir", "#icn-dir-on", "#icn-doc"} <= set(opened.evaluate(MENU_ICONS))


def test_unchanged_project_is_not_built_again(docs: DbtDocs) -> None:
    assert docs.is_current()
    assert not docs.build()
