"""The daily report's charts: SVG drawn by matplotlib without a display, as data URIs."""

import base64
import io
from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Final

from cardops.rules.currencies import EXPONENTS
from cardops.services.reports.figures import ReportFigures

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GOOD: Final = "#2f7d5b"
BAD: Final = "#b3402f"
NEUTRAL: Final = "#31507a"
PALE: Final = "#9db4d0"
STAGE_COLORS: Final = (NEUTRAL, "#b07d2b", GOOD, BAD, PALE)
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


def draw_charts(figures: ReportFigures) -> dict[str, str]:
    """Charts by name, as data URIs; none where there is nothing to draw."""
    from matplotlib import rc_context  # noqa: PLC0415 - costs a second, and only a report needs it

    charts = {
        "decisions_by_hour": (_decisions_by_hour, figures.decisions_by_hour),
        "reject_reasons": (_reject_reasons, figures.reject_reasons),
        "balance_history": (_balance_history, figures.balance_history),
        "failure_rates": (_rates, figures.failure_rates),
        "chargeback_rates": (_rates, figures.chargeback_rates),
        "disputes": (_disputes, figures.disputes),
        "queue": (_queue, figures.queue),
    }
    with rc_context(_STYLE):  # type: ignore[arg-type] # its stub lists names, not a mapping
        return {name: draw(frame) for name, (draw, frame) in charts.items() if not frame.empty}


def _decisions_by_hour(hours: "pd.DataFrame") -> str:
    figure, axes = _canvas(5.4, 2.5)
    permits = hours["permits"].to_list()
    axes.bar(hours["hour"].to_list(), permits, color=GOOD, label="PERMIT")
    rejects = hours["rejects"].to_list()
    axes.bar(hours["hour"].to_list(), rejects, bottom=permits, color=BAD, label="REJECT")
    axes.set_xlim(-0.7, 23.7)
    axes.set_xticks(range(0, 24, 3))
    axes.set_xlabel("hour (UTC)")
    axes.legend(frameon=False, ncols=2, loc="upper left", bbox_to_anchor=(0, 1.16))
    return _uri(figure)


def _reject_reasons(reasons: "pd.DataFrame") -> str:
    return _bars(reasons["reason_code"].to_list(), reasons["count"].to_list(), color=BAD)


def _rates(rates: "pd.DataFrame") -> str:
    known = rates.dropna(subset="rate")
    names = known["payment_method"]
    if len(set(known["program"])) > 1:
        names = known["program"] + " · " + names
    if "currency" in known:
        names = names + " " + known["currency"]
    percents = [float(rate) * 100 for rate in known["rate"]]
    return _bars(names.to_list(), percents, color=NEUTRAL, unit=" %")


def _disputes(disputes: "pd.DataFrame") -> str:
    totals = disputes.groupby("network", sort=False)[["open", "disputes"]].sum()
    names, opened = totals.index.to_list(), totals["open"].to_list()
    figure, axes = _canvas(4.4, 2.5)
    axes.bar(names, opened, color=NEUTRAL, width=0.55, label="open")
    ended = (totals["disputes"] - totals["open"]).to_list()
    axes.bar(names, ended, bottom=opened, color=PALE, width=0.55, label="ended")
    axes.legend(frameon=False, ncols=2, loc="upper left", bbox_to_anchor=(0, 1.16))
    return _uri(figure)


def _queue(queue: "pd.DataFrame") -> str:
    """One bar for each band of days left, in parts by stage."""
    bands = list(dict.fromkeys(queue["due_band"]))
    counts = queue.groupby(["stage", "due_band"], sort=False)["disputes"].sum().to_dict()
    figure, axes = _canvas(5.4, 2.8)
    below = [0] * len(bands)
    stages = sorted(set(queue["stage"]))
    for stage, color in zip(stages, cycle(STAGE_COLORS)):
        heights = [int(counts.get((stage, band), 0)) for band in bands]
        axes.bar(bands, heights, bottom=below, color=color, width=0.6, label=stage)
        below = [height + base for height, base in zip(heights, below, strict=True)]
    axes.set_xlabel("days left")
    axes.legend(frameon=False, ncols=3, loc="upper left", bbox_to_anchor=(0, 1.2))
    return _uri(figure)


def _balance_history(history: "pd.DataFrame") -> str:
    figure, axes = _canvas(5.4, 2.5)
    for currency, days in history.groupby("currency", sort=False):
        # A chart may round: the exact figures are in the table beside it.
        scale = 10 ** EXPONENTS[str(currency)]
        amounts = [amount_minor / scale for amount_minor in days["ledger_minor"]]
        axes.plot(
            days["business_date"].to_list(), amounts, marker="o", markersize=4, label=str(currency)
        )
    dates = sorted(set(history["business_date"]))
    shown = dates[:: -(-len(dates) // MAX_DATES)]
    axes.set_xticks(shown, [day.strftime("%d %b") for day in shown])
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.margins(y=0.2)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, 1.2), ncols=6)
    return _uri(figure)


def _bars(names: Sequence[str], values: Sequence[float], *, color: str, unit: str = "") -> str:
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


def _uri(figure: "Figure") -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return f"data:image/svg+xml;base64,{base64.b64encode(buffer.getvalue()).decode()}"
