"""The daily report's charts: SVG drawn by matplotlib without a display.

Belongs here: how figures are drawn. Every currency has a chart and an axis of its own. Colours are told
apart by every kind of eye (Okabe and Ito), and a hatch or a word says the same without them.
"""

import base64
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import cycle
from typing import TYPE_CHECKING, Any, Final

from cardops.rules.currencies import EXPONENTS
from cardops.services.fraud.picture import DrawnRing
from cardops.services.reports.amounts import money
from cardops.services.reports.figures import ReportFigures, records_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE: Final = "#0072b2"
VERMILLION: Final = "#d55e00"
GREEN: Final = "#009e73"
PURPLE: Final = "#b35c8f"
INK: Final = "#22303f"
LINE: Final = "#c6ced8"
# In the page these colours are the page's own, so that they follow its light or dark ground.
_PAGE_COLORS: Final = {
    INK: "var(--ink)",
    LINE: "var(--line)",
    BLUE: "var(--blue)",
    VERMILLION: "var(--vermillion)",
    GREEN: "var(--green)",
    PURPLE: "var(--purple)",
}
_STAGES: Final = ((BLUE, ""), (VERMILLION, "///"), (GREEN, "..."), (PURPLE, "xxx"))
MAX_BARS: Final = 12
# A longer name would leave its bar no room; the table beside it has it whole.
MAX_NAME: Final = 24
MAX_PANELS: Final = 8
MAX_TICKS: Final = 6
_STYLE: Final = {
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "hatch.linewidth": 0.7,
    "xtick.color": INK,
    "ytick.color": INK,
    # Text stays text, and the same figures give the same bytes.
    "svg.fonttype": "none",
    "svg.hashsalt": "cardops",
}
_NO_METADATA: Final = dict.fromkeys(("Creator", "Date", "Format", "Type"))
Records = Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Chart:
    """One picture. `description` says what it shows to those who do not see it.

    `has_page_colors`: its ink and lines become those of the page; a picture with a ground of its own
    keeps them.
    """

    name: str
    title: str
    description: str
    svg: str
    has_page_colors: bool = True

    @property
    def uri(self) -> str:
        """For a place that takes addresses of pictures only."""
        return f"data:image/svg+xml;base64,{base64.b64encode(self.svg.encode()).decode()}"

    @property
    def inline(self) -> str:
        """The SVG as a part of a page: ids of its own, the page's colours, title and description."""
        svg = self.svg[self.svg.index("<svg") :]
        svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
        svg = re.sub(r'\bid="', f'id="{self.name}-', svg)
        svg = re.sub(r'(url\(|href=")#', rf"\1#{self.name}-", svg)
        svg = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", svg)
        for color, variable in _PAGE_COLORS.items() if self.has_page_colors else ():
            svg = svg.replace(color, variable)
        label = f"{self.name}-title {self.name}-description"
        said = (
            f'<title id="{self.name}-title">{escape(self.title)}</title>'
            f'<desc id="{self.name}-description">{escape(self.description)}</desc>'
        )
        return svg.replace("<svg", f'<svg role="img" aria-labelledby="{label}"', 1).replace(
            ">", f">{said}", 1
        )


def draw_charts(figures: ReportFigures) -> dict[str, list[Chart]]:
    """Charts by section; none where there is nothing to draw."""
    from matplotlib import rc_context  # noqa: PLC0415 - costs a third of a second

    drawn: dict[str, Callable[[], Iterator[Chart]]] = {
        "money": lambda: _money_by_day(records_of(figures.money_by_day)),
        "decisions": lambda: _decisions_by_hour(records_of(figures.decisions_by_hour)),
        "reject-reasons": lambda: _reject_reasons(records_of(figures.reject_reasons)),
        "balances": lambda: _balance_history(records_of(figures.balance_history)),
        "failures": lambda: _rates("failures", records_of(figures.failure_rates)),
        "chargebacks": lambda: _rates("chargebacks", records_of(figures.chargeback_rates)),
        "monitoring": lambda: _to_the_line(records_of(figures.monitoring)),
        "queue": lambda: _queue(records_of(figures.queue)),
        "rings": lambda: _rings(figures.rings.drawings if figures.rings else ()),
    }
    with rc_context(_STYLE):  # type: ignore[arg-type] # its stub lists names, not a mapping
        found = {name: list(draw()) for name, draw in drawn.items()}
    return {name: charts for name, charts in found.items() if charts}


def _by_currency(records: Records) -> Iterator[tuple[str, Records]]:
    for currency in sorted({record["currency"] for record in records})[:MAX_PANELS]:
        yield currency, [record for record in records if record["currency"] == currency]


def _money_by_day(records: Records) -> Iterator[Chart]:
    """Money in above the line and money out below it, a bar a date."""
    for currency, days in _by_currency(records):
        figure, axes = _canvas(4.4, 2.3)
        dates = [day["business_date"] for day in days]
        into = [_major(day["in_minor"], currency) for day in days]
        out = [-_major(day["out_minor"], currency) for day in days]
        axes.bar(dates, into, color=BLUE, width=0.8, label="in")
        axes.bar(
            dates, out, color="none", edgecolor=VERMILLION, hatch="////", width=0.8, label="out"
        )
        axes.axhline(0, color=INK, linewidth=0.8)
        _date_axis(axes, dates)
        _amount_axis(axes, currency)
        _legend(axes)
        last = days[-1]
        yield _chart(
            figure,
            f"money-{currency}",
            f"Money in and out, {currency}",
            f"{len(days)} dates from {dates[0]} to {dates[-1]}. On the last of them "
            f"{money(int(last['in_minor']), currency)} in and "
            f"{money(int(last['out_minor']), currency)} out.",
        )


def _decisions_by_hour(hours: Records) -> Iterator[Chart]:
    if not hours:
        return
    figure, axes = _canvas(4.4, 2.3)
    permits = [hour["permits"] for hour in hours]
    places = [hour["hour"] for hour in hours]
    axes.bar(places, permits, color=BLUE, label="PERMIT")
    rejects = [hour["rejects"] for hour in hours]
    axes.bar(
        places,
        rejects,
        bottom=permits,
        color="none",
        edgecolor=VERMILLION,
        hatch="////",
        label="REJECT",
    )
    axes.set_xlim(-0.7, 23.7)
    axes.set_xticks(range(0, 24, 3))
    axes.set_xlabel("hour (UTC)")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    _legend(axes)
    busiest = max(hours, key=lambda hour: hour["permits"] + hour["rejects"])
    yield _chart(
        figure,
        "decisions-by-hour",
        "Permits and rejects by hour",
        f"{sum(permits):,} permits and {sum(rejects):,} rejects; the busiest hour began at "
        f"{busiest['hour']:02}:00 UTC.",
    )


def _reject_reasons(reasons: Records) -> Iterator[Chart]:
    counts = dict[str, int]()
    for reason in reasons:
        code = reason["reason_code"] or "unknown"
        counts[code] = counts.get(code, 0) + reason["reject_count"]
    if not counts:
        return
    shown = sorted(counts.items(), key=lambda item: -item[1])
    names, values = [name for name, _ in shown], [value for _, value in shown]
    figure = _bars(names, values, [f"{value:,}" for value in values], VERMILLION)
    described = ", ".join(f"{name} {value:,}" for name, value in shown)
    yield _chart(figure, "reject-reasons-chart", "Rejects by reason", f"{described}.")


def _rates(name: str, rates: Records) -> Iterator[Chart]:
    """A bar a method."""
    known = [rate for rate in rates if rate["rate"] is not None]
    if not known:
        return
    several = len({rate["program"] for rate in known}) > 1
    names = [
        " · ".join(
            [
                *([rate["program"]] if several else []),
                rate["payment_method"],
                *([rate["currency"]] if "currency" in rate else []),
            ]
        )
        for rate in known
    ]
    percents = [float(rate["rate"]) * 100 for rate in known]
    figure = _bars(names, percents, [f"{value:.2f} %" for value in percents], BLUE)
    described = ", ".join(
        f"{method} {value:.2f} %" for method, value in zip(names, percents, strict=True)
    )
    title = {"failures": "Payment failure rate", "chargebacks": "Chargeback rate by count"}[name]
    yield _chart(figure, f"{name}-chart", f"{title} and payment method", f"{described}.")


def _to_the_line(merchants: Records) -> Iterator[Chart]:
    """A bar a merchant and programme: its cases, of those that reach the line at its sales."""
    known = [record for record in merchants if record["needed_count"]][:MAX_BARS]
    if not known:
        return
    names = [_monitored(record) for record in known]
    shares = [100 * record["case_count"] / record["needed_count"] for record in known]
    texts = [f"{value:.0f} %" for value in shares]
    figure = _bars(names, shares, [""] * len(names), BLUE)
    (axes,) = figure.axes
    for place, (value, text) in enumerate(zip(shares, texts, strict=True)):
        # Never over the dashed line.
        end = max(value, 100)
        axes.annotate(text, (end, place), (4, 0), textcoords="offset points", va="center")
    axes.axvline(100, color=VERMILLION, linestyle="--", linewidth=1.2)
    axes.set_title("dashed: the line", loc="left", fontsize=9)
    described = ", ".join(f"{name} {text}" for name, text in zip(names, texts, strict=True))
    yield _chart(
        figure,
        "monitoring-chart",
        "Cases, as a share of those that reach the line",
        f"{described}; the dashed line is at 100 %.",
    )


def _monitored(record: dict[str, Any]) -> str:
    merchant = "all" if record["subject"] == "acquirer" else record["merchant_id"]
    if len(merchant) > MAX_NAME:
        merchant = f"{merchant[: MAX_NAME - 1]}…"
    return f"{merchant}\n{record['programme']} {record['month']}"


def _queue(queue: Records) -> Iterator[Chart]:
    """One bar for each band of days left, in parts by stage."""
    if not queue:
        return
    bands = list(dict.fromkeys(row["due_band"] for row in queue))
    counts = dict[tuple[str, str], int]()
    for row in queue:
        key = (row["stage"], row["due_band"])
        counts[key] = counts.get(key, 0) + row["disputes"]
    figure, axes = _canvas(4.6, 2.6)
    below = [0] * len(bands)
    for stage, (color, hatch) in zip(sorted({row["stage"] for row in queue}), cycle(_STAGES)):
        heights = [counts.get((stage, band), 0) for band in bands]
        fill = "none" if hatch else color
        axes.bar(
            bands, heights, bottom=below, color=fill, edgecolor=color, hatch=hatch, width=0.6,
            label=stage,
        )  # fmt: skip
        below = [height + base for height, base in zip(heights, below, strict=True)]
    axes.set_xlabel("days left")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    _legend(axes, columns=2)
    described = ", ".join(f"{band} {count:,}" for band, count in zip(bands, below, strict=True))
    yield _chart(
        figure,
        "queue-chart",
        "Disputes to answer by days left and stage",
        f"Disputes: {described}.",
    )


def _rings(drawings: Sequence[DrawnRing]) -> Iterator[Chart]:
    """The largest rings, which are drawn where they are found."""
    for number, drawing in enumerate(drawings, 1):
        # Title and role are the page's, as for every other chart.
        svg = re.sub(r"<title>.*?</title>", "", drawing.svg, count=1).replace(' role="img"', "", 1)
        yield Chart(f"ring-{number}", drawing.ring_id, drawing.text, svg, has_page_colors=False)


def _balance_history(records: Records) -> Iterator[Chart]:
    for currency, days in _by_currency(records):
        figure, axes = _canvas(4.4, 1.9)
        dates = [day["business_date"] for day in days]
        amounts = [_major(day["ledger_minor"], currency) for day in days]
        axes.plot(dates, amounts, marker="o", markersize=3.5, color=BLUE)
        _date_axis(axes, dates)
        _amount_axis(axes, currency)
        axes.margins(y=0.25)
        yield _chart(
            figure,
            f"balances-{currency}",
            f"Ledger balance, {currency}",
            f"{len(days)} closing balances from {dates[0]} to {dates[-1]}; the last is "
            f"{money(int(days[-1]['ledger_minor']), currency)} {currency}.",
        )


def _bars(
    names: Sequence[str], values: Sequence[float], texts: Sequence[str], color: str
) -> "Figure":
    """Horizontal bars with their values written beside them, the first on top."""
    names, values, texts = names[:MAX_BARS], values[:MAX_BARS], texts[:MAX_BARS]
    figure, axes = _canvas(4.4, 0.5 + 0.3 * max(2, len(names)))
    bars = axes.barh(range(len(names)), values, color=color, height=0.6)
    axes.bar_label(bars, texts, padding=4)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(max(2, len(names)) - 0.5, -0.5)
    axes.margins(x=0.25)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)
    return figure


def _major(amount_minor: int, currency: str) -> float:
    """A chart may round: the exact figures are in the table beside it."""
    return float(int(amount_minor)) / float(10 ** EXPONENTS[currency])


def _date_axis(axes: "Axes", dates: Sequence[Any]) -> None:
    shown = dates[:: -(-len(dates) // MAX_TICKS)]
    axes.set_xticks(shown, [day.strftime("%d %b") for day in shown])


def _amount_axis(axes: "Axes", currency: str) -> None:
    axes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):,.0f}")
    axes.set_ylabel(currency)


def _legend(axes: "Axes", columns: int = 4) -> None:
    axes.legend(frameon=False, ncols=columns, loc="lower left", bbox_to_anchor=(0, 1), borderpad=0)


def _canvas(width: float, height: float) -> tuple["Figure", "Axes"]:
    from matplotlib.figure import Figure  # noqa: PLC0415 - costs a third of a second

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _chart(figure: "Figure", name: str, title: str, description: str) -> Chart:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata=_NO_METADATA)
    return Chart(name, title, description, buffer.getvalue())
