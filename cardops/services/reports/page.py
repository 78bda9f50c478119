"""The daily report as one HTML page that needs nothing beside itself: no network, no script.

Belongs here: words, tables and order of the page. Amounts become decimals here, once.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from html import escape
from pathlib import Path
from string import Template
from typing import Any, Final

from cardops.rules.money import format_amount
from cardops.services.reports.figures import ReportFigures, Row

_PAGE: Final = Path(__file__).with_name("page.html")
Column = tuple[str, str]

_DECISIONS: Final = (
    ("program", "Program"), ("status", "Status"), ("count", "Decisions"), ("minor", "Amount"),
    ("currency", ""),
)  # fmt: skip
_MOVEMENTS: Final = (
    ("program", "Program"), ("kind", "Kind"), ("entry_count", "Entries"),
    ("posted_minor", "Posted"), ("held_change_minor", "Held"), ("currency", ""),
)  # fmt: skip
_BALANCES: Final = (
    ("program", "Program"), ("accounts", "Accounts"), ("available_minor", "Available"),
    ("held_minor", "Held"), ("ledger_minor", "Ledger"), ("currency", ""),
    ("below_zero", "Below zero"),
)  # fmt: skip
_FAILURES: Final = (
    ("program", "Program"), ("payment_method", "Payment method"), ("attempt_count", "Attempts"),
    ("failed_count", "Failed"), ("rate", "Failure rate"),
)  # fmt: skip
_CHARGEBACKS: Final = (
    ("program", "Program"), ("payment_method", "Payment method"),
    ("settled_transaction_count", "Settled"), ("disputed_transaction_count", "Disputed"),
    ("rate", "Chargeback rate"),
)  # fmt: skip
_DISPUTES: Final = (
    ("network", "Network"), ("disputes", "Disputes"), ("disputes_of_the_day", "Of the day"),
    ("open", "Open"), ("won", "Won"), ("lost", "Lost"), ("minor", "Disputed"), ("currency", ""),
)  # fmt: skip
_DEADLINES: Final = (
    ("network", "Network"), ("case_number", "Case"), ("reply_by_date", "Reply by"),
    ("days_left", "Days left"), ("minor", "Disputed"), ("currency", ""),
)  # fmt: skip
_BREAKS: Final = (
    ("program", "Program"), ("user_id", "User"), ("side_a", "One road"),
    ("amount_a_minor", "says"), ("side_b", "The other"), ("amount_b_minor", "says"),
    ("difference_minor", "Difference"), ("currency", ""),
)  # fmt: skip
_FRESHNESS: Final = (("what", "What"), ("newest_day", "Newest business date"), ("state", ""))


def render_page(figures: ReportFigures, charts: Mapping[str, str], made_at: datetime) -> str:
    """The whole page."""
    return Template(_PAGE.read_text()).substitute(
        business_date=figures.business_date.isoformat(),
        weekday=figures.business_date.strftime("%A"),
        made_at=made_at.strftime("%Y-%m-%d %H:%M UTC"),
        verdict=_verdict(figures),
        tiles="".join(_tiles(figures)),
        sections="".join(_sections(figures, charts)),
    )


def _verdict(figures: ReportFigures) -> str:
    if not figures.has_closing_balances:
        return (
            '<p class="verdict open">No closing balances of this day: '
            "it was not closed, and nobody looked for breaks.</p>"
        )
    if figures.breaks:
        return (
            f'<p class="verdict bad">{len(figures.breaks)} break(s): the books do not close. '
            '<a href="#breaks">See below</a>.</p>'
        )
    return '<p class="verdict good">The books close: every figure by two roads, 0 breaks.</p>'


def _tiles(figures: ReportFigures) -> list[str]:
    permits = sum(row["count"] for row in figures.decisions if row["status"] == "PERMIT")
    decided = sum(row["count"] for row in figures.decisions)
    attempts = sum(row["attempt_count"] for row in figures.failure_rates)
    failed = sum(row["failed_count"] for row in figures.failure_rates)
    return [
        _tile("Decisions", f"{decided:,}", f"{permits:,} permitted"),
        _tile("Permitted", _percent(permits, decided), "of all decisions"),
        *[
            _tile("Ledger balance", _money(row["ledger_minor"], row["currency"]), row["currency"])
            for row in _by_currency(figures.balances, "ledger_minor")
        ],
        _tile("Payments failed", _percent(failed, attempts), f"of {attempts:,} attempts"),
        _tile(
            "Open disputes",
            f"{sum(row['open'] for row in figures.disputes):,}",
            f"of {sum(row['disputes'] for row in figures.disputes):,}",
        ),
    ]


def _sections(figures: ReportFigures, charts: Mapping[str, str]) -> list[str]:
    parts: Sequence[tuple[str, str, Sequence[str], list[Row], Sequence[Column]]] = (
        ("decisions", "Decisions of the day", ("decisions_by_hour", "reject_reasons"),
         figures.decisions, _DECISIONS),
        ("movements", "Movements of the day", (), figures.movements, _MOVEMENTS),
        ("balances", "Closing balances", ("balance_history",), figures.balances, _BALANCES),
        ("failures", "Payment failure rate per payment method", ("failure_rates",),
         figures.failure_rates, _FAILURES),
        ("chargebacks", "Chargeback rate per payment method", ("chargeback_rates",),
         figures.chargeback_rates, _CHARGEBACKS),
        ("disputes", "Disputes by network", ("disputes",), figures.disputes, _DISPUTES),
        ("deadlines", "Open disputes to answer within seven days", (), figures.deadlines,
         _DEADLINES),
        ("breaks", "Breaks", (), figures.breaks, _BREAKS),
        ("freshness", "Freshness", (), _aged(figures), _FRESHNESS),
    )  # fmt: skip
    return [
        _section(anchor, title, [charts[name] for name in names if name in charts], rows, columns)
        for anchor, title, names, rows, columns in parts
    ]


def _section(
    anchor: str, title: str, charts: list[str], rows: list[Row], columns: Sequence[Column]
) -> str:
    pictures = "".join(f'<img src="{uri}" alt="{escape(title)}">' for uri in charts)
    body = f'<div class="body">{pictures}{_table(rows, columns)}</div>'
    return f'<section id="{anchor}"><h2>{escape(title)}</h2>{body}</section>'


def _table(rows: list[Row], columns: Sequence[Column]) -> str:
    if not rows:
        return '<p class="none">None.</p>'
    numeric = {name for name, _ in columns if _is_number(rows[0].get(name), name)}
    head = "".join(_cell("th", label, name in numeric) for name, label in columns)
    body = "".join(
        "<tr>"
        + "".join(_cell("td", _text(row, name), name in numeric) for name, _ in columns)
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(tag: str, text: str, is_number: bool) -> str:  # noqa: FBT001 - one of two classes
    css = ' class="number"' if is_number else ""
    return f"<{tag}{css}>{escape(text)}</{tag}>"


def _text(row: Row, name: str) -> str:
    """A cell: decimals for amounts, percent for rates, thousands apart."""
    value = row.get(name)
    if value is None:
        return ""
    if name == "minor" or name.endswith("_minor"):
        return _money(value, row["currency"])
    if isinstance(value, Decimal):
        return f"{value * 100:.2f} %"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _is_number(value: Any, name: str) -> bool:
    return isinstance(value, int | Decimal) or name == "rate"


def _money(amount_minor: int, currency: str) -> str:
    """Exact decimal text with thousands apart."""
    whole, point, fraction = format_amount(amount_minor, currency).partition(".")
    sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    return f"{sign}{int(digits):,}{point}{fraction}"


def _percent(part: int, whole: int) -> str:
    return f"{Decimal(part) * 100 / whole:.1f} %" if whole else "n/a"


def _tile(label: str, value: str, note: str) -> str:
    return (
        f'<div class="tile"><span>{escape(label)}</span><b>{escape(value)}</b>'
        f"<small>{escape(note)}</small></div>"
    )


def _by_currency(rows: list[Row], column: str) -> list[Row]:
    """Sums over programs; never across currencies."""
    totals: dict[str, int] = {}
    for row in rows:
        totals[row["currency"]] = totals.get(row["currency"], 0) + row[column]
    return [{"currency": currency, column: minor} for currency, minor in totals.items()]


def _aged(figures: ReportFigures) -> list[Row]:
    """How many days each part lags behind the report's day."""
    return [{**row, "state": _lag(row["newest_day"], figures)} for row in figures.freshness]


def _lag(newest: Any, figures: ReportFigures) -> str:
    if newest is None:
        return "nothing yet"
    days = (figures.business_date - newest).days
    return "up to date" if days <= 0 else f"{days} day(s) behind"
