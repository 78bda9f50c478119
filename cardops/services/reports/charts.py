"""The daily report's pictures: SVG drawn by matplotlib without a display, as data URIs."""

import base64
import io
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from cardops.rules.currencies import EXPONENTS
from cardops.services.reports.figures import ReportFigures, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GOOD: Final = "#2f7d5b"
BAD: Final = "#b3402f"
CALM: Final = "#31507a"
SOFT: Final = "#9db4d0"
INK: Final = "#22303f"
MAX_BARS: Final = 12
MAX_DATES: Final = 7
_STYLE: Final = {
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": "#c6ced8",
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    # Text stays text (a screen reader finds it), and the same figures give the same bytes.
    "svg.fonttype": "none",
    "svg.hashsalt": "cardops",
}


def charts_of(figures: ReportFigures) -> dict[str, str]:
    """Pictures by name, as data URIs; none where there is nothing to draw."""
    from matplotlib import rc_context  # noqa: PLC0415 - costs a second, and only a report needs it

    drawn = {
        "decisions_by_hour": (_by_hour, figures.decisions_by_hour),
        "reject_reasons": (_reasons, figures.reject_reasons),
        "balance_history": (_history, figures.balance_history),
        "failure_rates": (_rates, figures.failure_rates),
        "chargeback_rates": (_rates, figures.chargeback_rates),
        "disputes": (_disputes, figures.disputes),
    }
    with rc_context(_STYLE):  # type: ignore[arg-type] # its stub lists names, not a mapping
        return {name: draw(rows) for name, (draw, rows) in drawn.items() if rows}


def _by_hour(rows: list[Row]) -> str:
    figure, axes = _canvas(5.4, 2.5)
    hours = [row["hour"] for row in rows]
    permits = [row["permits"] for row in rows]
    axes.bar(hours, permits, color=GOOD, label="PERMIT")
    axes.bar(hours, [row["rejects"] for row in rows], bottom=permits, color=BAD, label="REJECT")
    axes.set_xlim(-0.7, 23.7)
    axes.set_xticks(range(0, 24, 3))
    axes.set_xlabel("hour (UTC)")
    axes.legend(frameon=False, ncols=2, loc="upper left", bbox_to_anchor=(0, 1.16))
    return _uri(figure)


def _reasons(rows: list[Row]) -> str:
    return _bars([row["reason_code"] for row in rows], [row["count"] for row in rows], color=BAD)


def _rates(rows: list[Row]) -> str:
    known = [row for row in rows if row["rate"] is not None]
    is_one_program = len({row["program"] for row in known}) == 1
    names = [
        row["payment_method"] if is_one_program else f"{row['program']} · {row['payment_method']}"
        for row in known
    ]
    return _bars(names, [float(row["rate"]) * 100 for row in known], color=CALM, unit=" %")


def _disputes(rows: list[Row]) -> str:
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        totals[row["network"]][0] += row["open"]
        totals[row["network"]][1] += row["disputes"] - row["open"]
    figure, axes = _canvas(4.4, 2.5)
    names = list(totals)
    opened = [totals[name][0] for name in names]
    axes.bar(names, opened, color=CALM, width=0.55, label="open")
    ended = [totals[name][1] for name in names]
    axes.bar(names, ended, bottom=opened, color=SOFT, width=0.55, label="ended")
    axes.legend(frameon=False, ncols=2, loc="upper left", bbox_to_anchor=(0, 1.16))
    return _uri(figure)


def _history(rows: list[Row]) -> str:
    by_currency: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_currency[row["currency"]].append(row)
    figure, axes = _canvas(5.4, 2.5)
    for currency, days in by_currency.items():
        # A picture may round: the exact figures stand in the table beside it.
        amounts = [row["ledger_minor"] / 10 ** EXPONENTS[currency] for row in days]
        axes.plot(
            [row["business_date"] for row in days],
            amounts,
            marker="o",
            markersize=4,
            label=currency,
        )
    dates = sorted({row["business_date"] for row in rows})
    shown = dates[:: -(-len(dates) // MAX_DATES)]
    axes.set_xticks(shown, [day.strftime("%d %b") for day in shown])
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.margins(y=0.2)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, 1.2), ncols=6)
    return _uri(figure)


def _bars(names: list[str], values: list[float], *, color: str, unit: str = "") -> str:
    """Horizontal bars with their values written beside them, the largest on top."""
    names, values = names[:MAX_BARS], values[:MAX_BARS]
    figure, axes = _canvas(4.4, 0.6 + 0.32 * max(2, len(names)))
    bars = axes.barh(range(len(names)), values, color=color, height=0.6)
    text = [f"{value:,.2f}{unit}" if unit else f"{value:,}" for value in values]
    axes.bar_label(bars, text, padding=4)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.margins(x=0.18)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)
    return _uri(figure)


def _canvas(width: float, height: float) -> tuple["Figure", "Axes"]:
    from matplotlib.figure import Figure  # noqa: PLC0415 - costs a second

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _uri(figure: Any) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return f"data:image/svg+xml;base64,{base64.b64encode(buffer.getvalue()).decode()}"
