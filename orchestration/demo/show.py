"""Output of a demo: progress while it runs, and the summary for people and for programs."""

import time
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table

from cardops.rules.money import format_amount
from orchestration.demo.truth import COUNTS, shortened

if TYPE_CHECKING:
    from orchestration.demo.steps import DemoResult


# The others have a row for every day or month.
SHOWN_KPIS: Final = (
    "chargeback_rate",
    "payment_failure_rate",
    "disputes_outside_rates",
    "dispute_outcomes",
)


class ShownProgress:
    """One line on standard error for each finished step; a bar for a step that is counted."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._what: str | None = None
        self._started = 0.0
        self._bar: Bar | None = None
        self._task: Any = None

    def step(self, what: str, total: int | None = None) -> None:
        """End the step before and begin this one."""
        self.end()
        self._what, self._started = what, time.monotonic()
        if total is None:
            self._console.print(f"  {what} …", style="dim", highlight=False)
            return
        columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn())
        self._bar = Bar(*columns, TimeElapsedColumn(), console=self._console)
        self._bar.start()
        self._task = self._bar.add_task(what, total=total)

    def advance(self) -> None:
        """Advance the bar by one."""
        if self._bar is not None:
            self._bar.advance(self._task)

    def end(self) -> None:
        """Print how long the step took."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        if self._what is not None:
            seconds = time.monotonic() - self._started
            self._console.print(f"✓ {self._what} ({seconds:.1f} s)", highlight=False)
            self._what = None


def as_json(result: "DemoResult") -> dict[str, Any]:
    """What `--json` prints."""
    chargebacks = result.counts["chargebacks"] | {"chargeback_files": result.chargeback_files}
    traffic = result.traffic.as_json()
    return {
        **{kind: counts for kind, counts in result.counts.items() if kind != "chargebacks"},
        "chargebacks": chargebacks,
        "permits": traffic["permits"],
        "rejects": traffic["rejects"],
        "authorizations": traffic,
        "files_delivered": result.files_delivered,
        "files_delivered_of_released_rows": result.files_released,
        "files_delivered_of_rejected_rows": result.files_resent,
        "files_delivered_before": result.files_known,
        "acknowledgements": result.acknowledgements,
        "filled_lines": result.filed.filled,
        "flagged_lines": result.filed.flags,
        "waiting_rows": result.filed.waiting,
        "breaks": result.breaks,
        "accounts": result.accounts,
        "balances_equal_truth": not any("balance of" in text for text in result.differences),
        "disputed_money": result.disputed_money,
        "monitoring": result.monitoring,
        "kpis": {name: result.kpis[name] for name in SHOWN_KPIS},
        "fraud_rings": result.rings,
        "report": str(result.report),
        "program": result.program,
        "day": str(result.day),
        "is_repeat": result.is_repeat,
        "differences": result.differences,
        "seconds": result.seconds,
    }


def show(result: "DemoResult", console: Console) -> None:
    """The summary for people."""
    console.print()
    console.print(_intake_table(result))
    console.print(_reasons_table(result))
    console.print(_rates_table(result.kpis))
    for line in _lines(result):
        console.print(line, highlight=False)
    console.print()
    if result.differences:
        console.print("Some figures are not as expected:", style="bold red")
        for difference in shortened(result.differences):
            console.print(f"  {difference}", style="red", highlight=False)
        return
    console.print(
        f"All figures match the expected ones, to the row and to the cent ({result.seconds} s).",
        style="bold green",
    )


def _intake_table(result: "DemoResult") -> Table:
    table = Table(title="Files ingested", title_justify="left")
    for heading in ("kind", "files", *COUNTS, "refused"):
        table.add_column(heading, justify="left" if heading == "kind" else "right", no_wrap=True)
    for kind, counts in result.counts.items():
        table.add_row(
            kind,
            str(counts["files"]),
            *(str(counts[name]) for name in COUNTS),
            str(counts["refused"]),
        )
    return table


def _reasons_table(result: "DemoResult") -> Table:
    table = Table(title="Why rows were quarantined", title_justify="left")
    table.add_column("reason")
    for kind in result.counts:
        table.add_column(kind, justify="right")
    reasons = sorted({code for counts in result.counts.values() for code in counts["reasons"]})
    for reason in reasons:
        cells = (str(counts["reasons"].get(reason, "")) for counts in result.counts.values())
        table.add_row(reason, *cells)
    return table


def _rates_table(kpis: Mapping[str, Mapping[str, Any]]) -> Table:
    """The rates of each payment method and currency; a failure has no currency."""
    table = Table(title="Rates per payment method", title_justify="left")
    table.add_column("payment method")
    for heading in ("chargeback rate by value", "by count", "payment failure rate"):
        table.add_column(heading, justify="right")
    failures = kpis["payment_failure_rate"]
    for name, rate in kpis["chargeback_rate"].items():
        failure = failures.get(name.split()[0], {"rate": None, "failed": 0, "attempts": 0})
        table.add_row(
            name,
            _rate(rate["rate_by_value"]),
            _rate(rate["rate_by_count"], f"{rate['disputed']}/{rate['settled']}"),
            _rate(failure["rate"], f"{failure['failed']}/{failure['attempts']}"),
        )
    return table


def _rate(rate: str | None, counts: str = "") -> str:
    share = "" if rate is None else f"{Decimal(rate):.2%}"
    return f"{share} ({counts})".strip() if counts else share


def _lines(result: "DemoResult") -> list[str]:
    traffic = result.traffic.as_json()
    before = f" (and {result.files_known} before)" if result.files_known else ""
    released = (
        f", plus {result.files_released} of the next batch with released rows"
        if result.files_released
        else ""
    )
    resent = (
        f", plus {result.files_resent} with rows that were rejected at first"
        if result.files_resent
        else ""
    )
    latency = f"p50 {traffic['p50_ms']} ms, p99 {traffic['p99_ms']} ms"
    decided = f"{traffic['permits']} permits, {traffic['rejects']} rejects"
    shown = [
        f"Authorizations: {decided} ({latency}, {traffic['replayed']} replayed)",
        *(f"  {example}" for example in result.examples),
        f"Files delivered to card companies: {result.files_delivered}{before}{released}{resent}",
    ]
    shown += [f"  {_delivered(file)}" for file in result.chargeback_files]
    shown += [
        _acknowledged(result.acknowledgements.values()),
        f"Disputed money under Regulation E, what users keep: {_given_back(result.disputed_money)}",
        _monitored(result.monitoring),
        _rings(result.rings),
        f"Accounts: {result.accounts}; reconciliation breaks: {result.breaks}",
        f"Report: {result.report}",
    ]
    if result.is_repeat:
        shown.append(
            "This day was processed before: every row was a duplicate, nothing was credited or "
            "delivered twice, and every authorization response was replayed."
        )
    return shown


def _delivered(file: Mapping[str, Any]) -> str:
    totals = ", ".join(
        f"{format_amount(minor, currency)} {currency}" for currency, minor in file["totals"].items()
    )
    return f"{file['network']}: {file['rows']} rows, {totals} -> {file['remote_path']}"


def _acknowledged(answers: Iterable[Mapping[str, Any]]) -> str:
    files, accepted, rejected, resent = (
        sum(figure)
        for figure in zip(
            *(
                (said["files"], said["accepted"], said["rejected"], said["resent"]["rows"])
                for said in answers
            ),
            strict=True,
        )
    )
    return (
        f"Acknowledged by card companies: {files} files, {accepted} rows accepted, {rejected} rejected "
        f"and {resent} of them sent once more"
    )


def _rings(rings: Sequence[Mapping[str, Any]]) -> str:
    cycles, disputes = (sum(ring[name] for ring in rings) for name in ("cycles", "disputes"))
    return f"Fraud rings: {len(rings)}, with {disputes} disputes and {cycles} cycles"


def _monitored(standings: Mapping[str, Mapping[str, Any]]) -> str:
    """The merchant nearest to a line."""
    merchants = {key: found for key, found in standings.items() if not key.startswith("*")}
    if not merchants:
        return "Monitoring programmes: no merchant has a case"
    key, found = min(merchants.items(), key=lambda item: item[1]["cases_to_line"])
    merchant, _, programme = key.partition("/")
    return (
        f"Monitoring programmes: {merchant} has {found['cases']:,} cases of {found['sales']:,} sales, "
        f"{found['cases_to_line']:,} from the line of {programme}"
    )


def _given_back(credits_by_case: Mapping[str, Mapping[str, Any]]) -> str:
    """What became of each credit, and what the user keeps of it."""
    return ", ".join(
        f"{format_amount(credit['kept'], 'USD')} USD ({credit['state'].replace('_', ' ')})"
        for credit in credits_by_case.values()
    )
