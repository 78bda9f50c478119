"""The daily report's page: what needs a person first, exact amounts, escaped texts, of when each part is."""

import re
from datetime import timedelta

import pytest

from cardops.rules.reports import Edition
from cardops.services.reports.charts import draw_charts
from cardops.services.reports.figures import ReportFigures
from cardops.services.reports.page import content_digest, render_page
from cardops.services.reports.parts import Charts
from tests.factories.daily_reports import (
    ALARMS,
    DAY,
    MADE_AT,
    NOTHING,
    ROWS,
    figures,
    page,
    quiet_figures,
)


@pytest.fixture(scope="module")
def charts() -> Charts:
    """Charts of a day in which every part has something."""
    return draw_charts(figures())


@pytest.fixture(scope="module")
def full(charts: Charts) -> str:
    """The page of that day."""
    return page(figures(), charts)


def part(shown: str, anchor: str) -> str:
    """A table with its heading and charts, as text."""
    return shown.partition(f'<div class="block" id="{anchor}">')[2].partition("</div>\n</div>")[0]


def needs(shown: str) -> str:
    return shown.partition('<ul class="needs">')[2].partition("</ul>")[0]


@pytest.mark.parametrize(
    "text",
    [
        "1,234,567,890,123,456.78 USD",  # not representable as a float
        "-12,345.67 USD",
        "-1,500.250 KWD",  # dinars have three decimals
        "<bdi>-5 JPY</bdi>",  # yen have none
        "12.50\N{NO-BREAK SPACE}% (125 of 1,000)",
        "none (0 of 0)",
        "none (0 of 0 JPY)",
        "0.80\N{NO-BREAK SPACE}% (140.00 of 17,500.00 USD)",
        "<bdi>&lt;b&gt;&amp;</bdi>",
        "nothing yet",
        "1 day behind",
        "1,233 more: cardops disputes list --overdue shows them.",
        "2,000 more: cardops provisional list shows them.",
        "0123456789ab",
        "made 2026-11-21 01:02 UTC",
        "incoming/deposits/empty.csv",
    ],
)
def test_page_shows_exact_amounts_and_escaped_texts(full: str, text: str) -> None:
    assert text in full


@pytest.mark.parametrize(
    ("sentence", "money", "anchor", "runbook"),
    [
        ("1 reconciliation break:", "0.01 USD", "breaks", "reconciliation-breaks.md"),
        ("1 test of the marts failed", "", "failed-tests", "run-failure.md"),
        (
            (
                "because fct_three_way_match failed (Binder Error): figures of Authorizations, "
                "settlements and disputes are left out."
            ),
            "",
            "failed-parts",
            "run-failure.md",
        ),
        (
            "1 new fraud ring since the snapshot before, of 14 in all",
            "900 JPY, 480.00 USD",
            "rings",
            "fraud-rings.md",
        ),
        ("1 safeguarding check does not pass", "", "safeguarding", "safeguarding.md"),
        ("2 disputes overdue", "200.00 USD", "overdue", "dispute-deadlines.md"),
        (
            "4 disputes to answer within seven days, 1 of them today or tomorrow.",
            "400.00 USD",
            "deadlines",
            "dispute-deadlines.md",
        ),
        ("1,000 accepted disputes in no", "4,321 JPY", "waiting", "waiting-disputes.md"),
        ("2,001 disputed amounts with", "80,040.00 USD", "provisional", "disputed-money.md"),
        (
            "1 chargeback file may have been collected",
            "700.00 USD",
            "batch-files",
            "chargeback-delivery.md",
        ),
        (
            "1 chargeback file (7 rows) without an acknowledgement in time",
            "",
            "acknowledgements",
            "acknowledgement-alarms.md",
        ),
        ("1 file refused whole", "", "stopped", "quarantine.md"),
        ("1 file held for", "120 JPY, 50,000.00 USD", "stopped", "held-file.md"),
        (
            "413 rows quarantined of 8,000 read: invalid_amount 400, unknown_currency 20.",
            "",
            "quarantine",
            "quarantine.md",
        ),
        ("3 quarantined rows waiting too long", "", "waiting-rows", "quarantine.md"),
        ("1 account below zero", "-5 JPY", "balances", "negative-balance.md"),
        ("2 transactions do not match", "", "match-breaks", "match-breaks.md"),
        (
            "1 merchant of default reached the line of mastercard_ecm",
            "",
            "monitoring",
            "monitoring-programmes.md",
        ),
        (
            "2 merchants of default are forecast to reach the line of visa_vamp",
            "",
            "monitoring",
            "monitoring-programmes.md",
        ),
        ("1 alarm may not have been sent", "", "alarms", "dispute-deadlines.md"),
        ("1 alarm still true", "", "alarms", "chargeback-delivery.md"),
    ],
)
def test_page_begins_with_what_needs_a_person(
    full: str, sentence: str, money: str, anchor: str, runbook: str
) -> None:
    item = next(item for item in needs(full).split("<li") if sentence in item)

    assert f'href="#{anchor}"' in item
    assert f'id="{anchor}"' in full
    assert f"<code>{runbook}</code>" in item
    assert money in item
    assert full.index('class="needs"') < full.index('class="tiles"') < full.index("<table")


def test_urgent_needs_come_first(full: str) -> None:
    tags = re.findall(r'<b class="tag">(\w+)</b>', needs(full))

    assert tags == sorted(tags, key=lambda tag: tag != "Now")
    assert len(set(tags)) == 2


def test_day_without_needs_says_so() -> None:
    shown = page(quiet_figures())

    assert "Nothing needs a person today." in shown
    assert "The books close" in shown
    assert 'class="needs"' not in shown


def test_unclosed_day_is_a_need() -> None:
    shown = page(figures(NOTHING, balances=[], breaks=[], break_totals=[]))

    assert "This day was not closed" in needs(shown)
    assert "The books close" not in shown


def test_missing_values_are_empty_cells(full: str) -> None:
    text = re.sub(r"<svg.*?</svg>", "", full, flags=re.DOTALL)

    assert "None" not in text.replace("None.", "")
    assert "&lt;NA&gt;" not in full
    assert not re.search(r"\bna[nt]\b", text, flags=re.IGNORECASE)


def test_figures_are_compared_with_the_day_before_and_the_band(full: str) -> None:
    deposits, captures, *_ = part(full, "money").partition("<tbody")[2].split("</tr>")

    assert [text in deposits for text in ("9,000.00 USD", "+37.2", "more", ">28<")] == [True] * 4
    assert "8,000.00 USD to 12,000.00 USD" in deposits
    assert "-12,000.00 USD to -8,000.00 USD" in captures
    assert "more" in captures  # more went out than usual


def test_band_of_few_dates_is_not_given() -> None:
    money = {**ROWS["money"][0], "band_days": 4, "before_minor": None}

    shown = part(page(figures(money=[money])), "money")

    assert "too few dates (4 of 28)" in shown
    assert ">none<" in shown
    assert "10,000.00 USD" not in shown


def test_rates_have_their_interval_or_band(full: str) -> None:
    assert "0.80\N{NO-BREAK SPACE}% to 3.20\N{NO-BREAK SPACE}%" in part(full, "chargebacks")
    assert "1.25\N{NO-BREAK SPACE}% (5 of 400)" in part(full, "failure-days")
    assert "0.80\N{NO-BREAK SPACE}% to 1.20\N{NO-BREAK SPACE}%" in part(full, "failure-days")


def test_merchants_stand_against_the_lines_of_monitoring_programmes(full: str) -> None:
    shown = part(full, "monitoring").replace("\N{NO-BREAK SPACE}", " ")
    reached, coming, acquirer, new = shown.partition("<tbody")[2].split("</tr>")[:4]

    for row, texts in (
        (reached, ("2.67 % (320 of 12,000)", "ecm: 1.50 % and 100", ">none<", ">in ecm<")),
        (
            coming,
            ("1.50 % (1,200 of 80,000)", "excessive: 1.50 % and 1,501", ">301 more cases<",
             "1.50 % (1,800 of 120,000): excessive", ">forecast to reach it<",
             ">fraud reports, region<"),
        ),
        (acquirer, (">all (acquirer)<", "1,100 more cases", ">below<")),
        (new, ("none (3 of 0)", ">sales<")),
    ):  # fmt: skip
        assert [text for text in texts if text not in row] == []
    assert "1,036 more: cardops sql" in shown


def test_what_monitoring_lacks_is_said_with_what_to_do(full: str) -> None:
    reports, region, networks = (
        part(full, "monitoring-gaps").partition("<tbody")[2].split("</tr>")[:3]
    )

    assert [name in row for name, row in (
        ("cardops submit FILE --kind fraud_reports", reports), ("default region", region),
        ("name no card network", networks), (">40<", networks),
    )] == [True] * 4  # fmt: skip


def test_merchant_that_is_below_as_far_as_known_is_not_called_safe() -> None:
    record = {**ROWS["monitoring"][1], "alarm_level": None, "forecast_case_count": None,
              "forecast_tier": None}  # fmt: skip

    shown = part(page(figures(monitoring=[record])), "monitoring")

    assert ">below, as far as known<" in shown
    leaving = {**record, "is_in_programme": True, "months_below_count": 1}
    assert ">still in: 1 of 3 months below<" in part(
        page(figures(monitoring=[leaving])), "monitoring"
    )
    assert ">too early<" in shown


def test_long_list_of_alarms_says_how_many_more_there_are() -> None:
    shown = page(figures(alarms=[ALARMS[0]] * 60))

    assert "And 10 more." in part(shown, "alarms")
    assert "60 alarms may not have been sent" in needs(shown)


def test_each_currency_has_a_chart_of_its_own(charts: Charts) -> None:
    for name in ("money", "balances"):
        drawn = charts[name]
        assert [chart.name for chart in drawn] == [
            f"{name}-{code}" for code in ("JPY", "KWD", "USD")
        ]
        for chart in drawn:
            code = chart.name.removeprefix(f"{name}-")
            assert {"JPY", "KWD", "USD"} & set(re.findall(r">([A-Z]{3})<", chart.svg)) == {code}


def test_charts_are_described_and_have_ids_of_their_own(full: str) -> None:
    ids = re.findall(r'\bid="([^"]+)"', full)
    named = re.findall(r'<svg role="img" aria-labelledby="(\S+) (\S+)"', full)

    assert len(ids) == len(set(ids))
    assert len(named) == full.count("<svg") > 5
    assert {name for pair in named for name in pair} <= set(ids)
    for reference in re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', full):
        assert set(filter(None, reference)) <= set(ids)


@pytest.mark.parametrize(
    ("newest", "sentence"),
    [
        (DAY, "Over all dates until 2026-11-20, as known at its close."),
        (DAY - timedelta(days=1), "until 2026-11-19: nothing of later dates had arrived"),
    ],
)
def test_each_part_says_of_when_it_is(newest: object, sentence: str) -> None:
    shown = page(figures(state_dates=[{"subject": "disputes", "as_of": newest}]))
    parts = re.findall(r"<h2 id=[^>]*>[^<]*</h2>\n<p class=\"as-of\">([^<]+)</p>", shown)

    assert len(parts) == shown.count("<section") - 1
    assert any(sentence in text for text in parts)
    assert any("when this page was made: ledgers know only" in text for text in parts)


def test_rings_are_drawn_with_what_their_members_share(full: str) -> None:
    shown = part(full, "rings")

    assert shown.count("<svg") == 2
    assert "devices 2, card tokens 1" in shown
    assert "merged from ring-000007" in shown
    assert "14 rings of 70 users. 12 more:" in shown
    assert "As of the snapshot of 2026-11-20" in full


def test_page_without_figures_has_no_charts() -> None:
    nothing = quiet_figures()

    assert draw_charts(nothing) == {}
    assert "<svg" not in page(nothing)


def test_page_needs_no_network_and_no_script(full: str) -> None:
    assert "<script" not in full
    assert "//" not in re.sub(r"//+\.{3}|/{3,}", "", full)
    assert "default-src &#39;none&#39;" in full or "default-src 'none'" in full


def test_break_count_includes_breaks_that_are_not_listed() -> None:
    totals = [
        {"currency": "USD", "unit": "minor", "breaks": 400, "difference_minor": 900},
        {"currency": "", "unit": "rows", "breaks": 3, "difference_minor": 8},
    ]
    report: ReportFigures = figures(break_totals=totals)

    shown = page(report)

    assert report.break_count == 403
    assert "403 reconciliation breaks" in shown
    assert "9.00 USD" in needs(shown)


def test_page_says_which_edition_it_is_and_where_the_former_one_is() -> None:
    first = Edition(1, MADE_AT, "aa")
    second = first.next(MADE_AT + timedelta(days=2), content_digest(figures(), {}))

    shown = render_page(figures(), {}, second.made_at, second, (first, "daily_report_1.html"))

    assert (
        f'<meta name="cardops-edition" content="2 2026-11-23T01:02:00+00:00 {second.content_sha256}">'
        in shown
    )
    assert (
        "edition 2: the figures of this date changed after edition 1, made 2026-11-21 01:02 UTC"
        in shown
    )
    assert '<a href="daily_report_1.html">' in shown


def test_same_figures_are_the_same_edition_whenever_the_page_is_made() -> None:
    first = Edition(1, MADE_AT, content_digest(figures(), {}))

    assert first.next(MADE_AT + timedelta(days=2), content_digest(figures(), {})) is first
    assert first.next(MADE_AT, content_digest(quiet_figures(), {})).number == 2
