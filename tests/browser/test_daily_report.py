"""The daily report in a real browser: nothing is asked for, cut off or unreadable, on any screen or in print."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from cardops.rules.reports import Edition
from cardops.services.reports.charts import draw_charts
from cardops.services.reports.page import render_page
from tests.factories.browsers import chromium
from tests.factories.daily_reports import MADE_AT, figures, page, quiet_figures

pytestmark = [pytest.mark.browser, pytest.mark.soak]
# A4 without its margins, in CSS pixels.
PAPER_WIDTH = 703
WIDTHS = {"desktop": 1280, "narrow": 1101, "tablet": 768, "telephone": 390, "paper": PAPER_WIDTH}
# What is wider than the place that it has, or reaches beyond the page.
CUT_OFF = """() => {
    const width = document.documentElement.clientWidth, found = [];
    if (document.documentElement.scrollWidth > width) found.push('the page scrolls sideways');
    for (const element of document.querySelectorAll('body *')) {
        if (element.closest('svg, caption, thead, .skip') || !element.checkVisibility()) continue;
        const box = element.getBoundingClientRect();
        const name = `${element.tagName} ${element.textContent.trim().slice(0, 40)}`;
        if (box.right > width + 1 || box.left < -1) found.push(`${name} leaves the page`);
        if (element.scrollWidth > element.clientWidth + 1 && element.clientWidth
            && getComputedStyle(element).display !== 'inline') found.push(`${name} is wider than its place`);
    }
    for (const text of document.querySelectorAll('svg text')) {
        const inner = text.getBoundingClientRect(), outer = text.closest('svg').getBoundingClientRect();
        if (inner.right > outer.right + 2 || inner.left < outer.left - 2 || inner.bottom > outer.bottom + 2)
            found.push(`${text.textContent} is cut off in ${text.closest('figure').innerText}`);
    }
    return found;
}"""
# Texts of one chart that lie over each other.
OVERLAPPING = """() => [...document.querySelectorAll('figure svg')].flatMap(svg => {
    const boxes = [...svg.querySelectorAll('text')].map(text => [text.textContent, text.getBoundingClientRect()]);
    return boxes.flatMap(([one, a], place) => boxes.slice(place + 1)
        .filter(([_, b]) => a.left + 1 < b.right && b.left + 1 < a.right && a.top + 2 < b.bottom && b.top + 2 < a.bottom)
        .map(([other]) => `${one} over ${other}`));
})"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A second edition of a day in which every part has something, and a day that needs no person."""
    folder = tmp_path_factory.mktemp("pages")
    full, first = figures(), Edition(1, MADE_AT, "aa")
    former = (first, "daily_report_2026-11-20_edition_1.html")
    edited = render_page(full, draw_charts(full), MADE_AT, first.next(MADE_AT, "bb"), former)
    pages = {"full": edited, "quiet": page(quiet_figures())}
    for name, text in pages.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in pages}


def opened(browser: Browser, path: Path, medium: str = "desktop", scheme: str = "light") -> Page:
    """The page offline; it fails the test where it asks for anything or complains."""
    context = browser.new_context(
        viewport={"width": WIDTHS[medium], "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        offline=True,
    )
    shown = context.new_page()
    complaints = list[str]()
    shown.on("console", lambda message: complaints.append(message.text))
    shown.on("pageerror", lambda error: complaints.append(str(error)))
    shown.on("request", lambda request: complaints.append(request.url))
    if medium == "paper":
        shown.emulate_media(media="print")
    shown.goto(path.as_uri())
    shown.wait_for_load_state()
    assert complaints == [path.as_uri()]
    return shown


@pytest.mark.parametrize("medium", list(WIDTHS))
@pytest.mark.parametrize("name", ["full", "quiet"])
def test_nothing_is_asked_for_or_cut_off(
    browser: Browser, files: dict[str, Path], name: str, medium: str
) -> None:
    shown = opened(browser, files[name], medium)

    assert shown.evaluate(CUT_OFF) == []
    assert shown.evaluate(OVERLAPPING) == []


@pytest.mark.parametrize(
    ("medium", "scheme"),
    [("desktop", "light"), ("desktop", "dark"), ("telephone", "light")],
)
@pytest.mark.parametrize("name", ["full", "quiet"])
def test_axe_finds_nothing(
    browser: Browser, files: dict[str, Path], name: str, medium: str, scheme: str
) -> None:
    shown = opened(browser, files[name], medium, scheme)

    found = Axe().run(shown).response["violations"]

    assert [f"{rule['impact']}: {rule['help']} {rule['nodes'][0]['html']}" for rule in found] == []


def test_keyboard_reaches_the_main_part_first_and_sees_where_it_is(
    browser: Browser, files: dict[str, Path]
) -> None:
    shown = opened(browser, files["full"])
    shown.keyboard.press("Tab")
    skip = shown.evaluate(
        "() => { const box = document.activeElement.getBoundingClientRect();"
        "return [document.activeElement.className, box.top >= 0]; }"
    )
    shown.keyboard.press("Enter")
    shown.keyboard.press("Tab")
    link = shown.evaluate(
        "() => [document.activeElement.getAttribute('href'),"
        "getComputedStyle(document.activeElement).outlineStyle]"
    )

    assert skip == ["skip", True]
    assert shown.url.endswith("#main")
    assert link == ["#failed-parts", "solid"]


def test_telephone_has_a_heading_beside_each_figure(
    browser: Browser, files: dict[str, Path]
) -> None:
    shown = opened(browser, files["full"], "telephone")

    labels = shown.evaluate(
        "() => [...document.querySelectorAll('tbody td:not(.empty)')]"
        ".map(cell => getComputedStyle(cell, '::before').content)"
    )

    assert len(labels) > 50
    assert not {"none", '""'} & set(labels)


def test_paper_repeats_headings_and_keeps_rows_whole(
    browser: Browser, files: dict[str, Path], tmp_path: Path
) -> None:
    shown = opened(browser, files["full"], "paper")

    assert shown.evaluate(
        "() => [...document.querySelectorAll('thead')]"
        ".every(head => getComputedStyle(head).display === 'table-header-group')"
    )
    assert shown.evaluate(
        "() => [...document.querySelectorAll('tr, figure, .needs li')]"
        ".every(part => getComputedStyle(part).breakInside === 'avoid')"
    )
    printed = shown.pdf(path=tmp_path / "report.pdf", prefer_css_page_size=True)
    assert printed.startswith(b"%PDF")
