"""Pages of `cardops up` for a browser, to this machine alone: reports, runbooks, quarantine, deliveries.

Belongs here: the server of these pages. A browser opens no `file://` link of the Dagster UI, so whatever
the UI links to is served here. Nothing is written, and nothing else of the home is shown. Each page is served
below /pages as well, where a proxy in front of the UI finds it, and links to its like by the same way.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

import uvicorn
from markdown_it import MarkdownIt
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Mount, Route

from cardops.bootstrap import Adapters
from cardops.ports import Clock, IntakeLedger, ObjectStore
from cardops.rules.chargebacks.routing import NETWORKS
from cardops.rules.deliveries.progress import NEEDS_PERSON, FileProgress, Progress
from cardops.rules.intake.files import IntakeFile, IntakeFileMissingError
from cardops.services.deliveries.board import BoardRow, DeliveryBoard
from cardops.settings import Settings
from orchestration.local.ports import HOST

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
# Below it everything is served a second time.
BEHIND_PROXY: Final = "/pages"
MAX_ROWS: Final = 500
MAX_NAME: Final = 100
MAX_BATCHES: Final = 50
_DONE: Final = frozenset({Progress.DELIVERED, Progress.ACKNOWLEDGED})
_NOTHING: Final = frozenset({Progress.NO_FILE, Progress.NOT_MADE})
# Nothing is asked of anybody; a report brings its own style and pictures.
POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; font-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_REPORT: Final = "daily_report_"
_PAGE: Final = """\
<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,"><title>{title} · Cardops</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; color: #1b1f24; background: #fff; margin: 0 auto; padding: 1rem;
  max-width: 60rem; overflow-wrap: anywhere; }}
nav a {{ margin-right: 1rem; }} a {{ color: #0b57d0; }}
pre {{ background: #f3f4f6; padding: .75rem; white-space: pre-wrap; }} code {{ font-size: .9em; }}
table {{ border-collapse: collapse; display: block; overflow-x: auto; }}
th, td {{ border: 1px solid #c4c9d0; padding: .25rem .5rem; text-align: left; vertical-align: top; min-width: 6rem; }}
img {{ max-width: 100%; }}
td.done {{ background: #d7f0e2; }} td.way {{ background: #dceafb; }} td.todo {{ background: #fbdcd2; }}
td small {{ display: block; color: #3d4a57; }}
</style></head><body>
<nav><a href="{root}/">Overview</a><a href="{root}/docs/runbooks/README.md">Runbooks</a><a href="{root}/quarantine">Quarantine</a><a href="{root}/deliveries">Deliveries</a></nav>
<main>{body}</main></body></html>
"""


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages over a folder of reports, files that were taken in or delivered, and the documentation."""

    reports: Path
    ledger: IntakeLedger
    failed: ObjectStore
    board: DeliveryBoard
    clock: Clock
    docs: Path = DOCS

    def overview(self, request: Request) -> Response:
        """Every daily report, newest first."""
        return _page(request, "Overview", _overview(self.reports, _root(request)))

    def report(self, request: Request) -> Response:
        """The report of a date, as it was written."""
        return _file(self.reports / f"{_REPORT}{request.path_params['day']}.html", self.reports)

    def documentation(self, request: Request) -> Response:
        """A page or a picture of the documentation."""
        page = self.docs / request.path_params["path"]
        if page.suffix != ".md":
            return _file(page, self.docs)
        return _page(request, page.stem, _markdown().render(_inside(page, self.docs).read_text()))

    def quarantine(self, request: Request) -> Response:
        """Files that need attention."""
        return _page(request, "Quarantine", _quarantine(self.ledger, _root(request)))

    def deliveries(self, request: Request) -> Response:
        """Which batch went to which card company, as it is now."""
        rows = self.board.rows(self.clock.now(), MAX_BATCHES)
        return _page(request, "Deliveries", _deliveries(rows, _root(request)))

    def quarantined(self, request: Request) -> Response:
        """The refused rows of one file, or why it was refused whole."""
        # Loads polars, 80 MB that are not needed until somebody asks.
        from cardops.services.intake.quarantine import first_quarantined  # noqa: PLC0415

        try:
            intake_file = self.ledger.find(request.path_params["intake_id"])
        except IntakeFileMissingError as error:
            raise HTTPException(404, str(error)) from None
        rows = first_quarantined(self.failed, intake_file, MAX_ROWS)
        return _page(request, intake_file.arrival.key, _quarantined(intake_file, rows))


def app(pages: Pages) -> Starlette:
    """Serves them by GET, and a page that says so for everything else."""
    routes = [
        Route("/", pages.overview),
        Route("/reports/{day}", pages.report),
        Route("/docs/{path:path}", pages.documentation),
        Route("/quarantine", pages.quarantine),
        Route("/quarantine/{intake_id:int}", pages.quarantined),
        Route("/deliveries", pages.deliveries),
    ]
    return Starlette(
        routes=[*routes, Mount(BEHIND_PROXY, routes=routes)],
        # Another site's name that leads here gets nothing.
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])],
        exception_handlers={HTTPException: _problem},
    )


def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
    body = f"<h1>Not found</h1><p>{escape(error.detail)}</p>"
    return _page(request, "Not found", body, error.status_code)


def _root(request: Request) -> str:
    """What stands before the address of a page by the way that this one was asked for."""
    return BEHIND_PROXY if request.url.path.startswith(f"{BEHIND_PROXY}/") else ""


def _page(request: Request, title: str, body: str, status: int = 200) -> HTMLResponse:
    page = _PAGE.format(title=escape(title), body=body, root=_root(request))
    return HTMLResponse(page, status, headers={"Content-Security-Policy": POLICY})


def _file(path: Path, root: Path) -> FileResponse:
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}
    return FileResponse(_inside(path, root), headers=headers)


def _inside(path: Path, root: Path) -> Path:
    """The file, where it is one below the root. Raises HTTPException."""
    try:
        found = path.resolve()
        if found.is_relative_to(root.resolve()) and found.is_file():
            return found
    except (OSError, ValueError):
        pass  # a name that no file can have: too long, or with a NUL
    raise HTTPException(404, f"There is no page {path.name[:MAX_NAME]}.")


def _markdown() -> MarkdownIt:
    # HTML in a text stays text.
    return MarkdownIt("commonmark", {"html": False}).enable("table")


def _overview(reports: Path, root: str) -> str:
    days = [path.stem.removeprefix(_REPORT) for path in reports.glob(f"{_REPORT}????-??-??.html")]
    listed = "".join(
        f'<li><a href="{root}/reports/{day}">{day}</a></li>' for day in sorted(days, reverse=True)
    )
    return (
        f"<h1>Cardops</h1><h2>Daily reports</h2><ul>{listed or '<li>None was made yet.</li>'}</ul>"
    )


def _quarantine(ledger: IntakeLedger, root: str) -> str:
    rows = [_summary(intake_file, root) for intake_file in ledger.needing_attention()]
    found = _table(("file", "date", "status", "rows", "why"), rows)
    told = "<p>Files with refused rows, and files that were refused whole, newest first.</p>"
    return f"<h1>Quarantine</h1>{told}{found or '<p>Nothing is in quarantine.</p>'}"


def _summary(intake_file: IntakeFile, root: str) -> tuple[str, ...]:
    outcome = intake_file.outcome
    reasons = outcome.reasons.items() if outcome else ()
    why = (outcome and outcome.error) or ", ".join(f"{rows} {code}" for code, rows in reasons)
    address = f"{root}/quarantine/{intake_file.intake_id}"
    link = f'<a href="{address}">{escape(intake_file.arrival.key)}</a>'
    counted = str(outcome.quarantined) if outcome else ""
    plain = (str(intake_file.business_date), intake_file.status.value, counted, why)
    return (link, *map(escape, plain))


def _quarantined(intake_file: IntakeFile, rows: Sequence[Mapping[str, object]]) -> str:
    outcome = intake_file.outcome
    body = f"<h1>{escape(intake_file.arrival.key)}</h1>"
    if outcome and outcome.error:
        body += f"<p>{escape(outcome.error)}</p>"
    if rows:
        cut = f" The first {MAX_ROWS} are shown." if len(rows) == MAX_ROWS else ""
        names = ("row_number", "reasons", "raw")
        cells = [tuple(escape(str(row[name])) for name in names) for row in rows]
        release = f"cardops quarantine release {intake_file.intake_id}"
        body += f"<p>Refused rows.{cut} Once their cause is mended: <code>{release}</code></p>"
        body += _table(("row", "reasons", "record"), cells)
    return body


def _deliveries(rows: Sequence[BoardRow], root: str) -> str:
    needed = sum(found.progress in NEEDS_PERSON for row in rows for found in row.files.values())
    files = "1 file needs" if needed == 1 else f"{needed} files need"
    told = (
        f"<p><strong>{files} a person</strong>: see the runbooks of "
        f'<a href="{root}/docs/runbooks/chargeback-delivery.md">deliveries</a> and '
        f'<a href="{root}/docs/runbooks/acknowledgement-alarms.md">acknowledgements</a>.</p>'
        if needed
        else "<p>No file needs a person.</p>"
    )
    head = "".join(f"<th scope='col'>{network}</th>" for network in NETWORKS)
    body = "".join(
        f"<tr><th scope='row'>{escape(row.batch_id)}</th>"
        + "".join(_progress(row.files[network]) for network in NETWORKS)
        + "</tr>"
        for row in rows
    )
    table = f"<table><thead><tr><th scope='col'>batch</th>{head}</tr></thead><tbody>{body}</tbody></table>"
    none = "<p>No chargeback file was made yet.</p>"
    return f"<h1>Batches and card companies</h1>{told if rows else ''}{table if rows else none}"


def _progress(found: FileProgress) -> str:
    """A cell whose colour says what its word says."""
    colour = "way"
    if found.progress in NEEDS_PERSON:
        colour = "todo"
    elif found.progress in _DONE:
        colour = "done"
    elif found.progress in _NOTHING:
        colour = "none"
    return (
        f'<td class="{colour}">{escape(found.progress)}<small>{escape(found.detail)}</small></td>'
    )


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are HTML already; empty without rows."""
    if not rows:
        return ""
    head = "".join(f"<th scope='col'>{name}</th>" for name in names)
    lines = ("".join(f"<td>{cell}</td>" for cell in row) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def main() -> None:
    """`python -m orchestration.local.pages --port N`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    adapters = Adapters(Settings.load())
    reports = adapters.settings.home / "reports"
    board = DeliveryBoard(
        adapters.delivery_ledger, adapters.acknowledgements, adapters.intake_ledger
    )
    pages = Pages(
        reports, adapters.intake_ledger, adapters.failed_store, board, adapters.database_clock
    )
    uvicorn.run(app(pages), host=HOST, port=arguments.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
