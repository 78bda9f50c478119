"""The page of dbt's docs in `cardops up`: served on this machine alone, built in the background.

Belongs here: the server of that one page, and the process that builds it. What is in it, and when it
is built, is in cardops.adapters.warehouse.dbt_docs.
"""

import argparse
import os
import subprocess
import sys
import threading
from html import escape
from pathlib import Path
from typing import Final, Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from cardops.bootstrap import Adapters
from cardops.settings import Settings
from orchestration.local.ports import HOST

LOWEST_PRIORITY: Final = 19
BUILD: Final = (sys.executable, "-m", "orchestration.local.dbt_docs", "--build")
# The browser asks nobody for anything, whatever a later dbt puts into the page.
POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data:; font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_WAITING: Final = """\
<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="5">
<title>dbt docs of Cardops</title><body style="font-family: sans-serif; margin: 3rem">
<h1>dbt docs</h1><p>{text}</p></body></html>
"""
_BUILDING: Final = (
    "The page is being built, with the lowest priority: half a minute on an idle machine. It then "
    "shows here by itself, and is built again only when the models change."
)


class DbtDocsPage(Protocol):
    """The page's files, as the server needs them."""

    @property
    def page(self) -> Path:
        """The page; may be missing."""

    @property
    def failure(self) -> Path:
        """The output of a build that failed; else missing."""

    def is_current(self) -> bool:
        """Whether the page is of the project as it is now."""


def app(docs: DbtDocsPage) -> Starlette:
    """Serves the page at `/` and nothing else; until it is built, a text that says so."""

    def page(_: Request) -> Response:
        headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}
        if docs.page.exists():
            return FileResponse(docs.page, media_type="text/html; charset=utf-8", headers=headers)
        text = _BUILDING
        if docs.failure.exists():
            text = (
                f"The page could not be built; {docs.failure} says why, and cardops up tries "
                "again when it starts."
            )
        return HTMLResponse(_WAITING.format(text=escape(text)), status_code=503, headers=headers)

    # Another site's name that leads here gets nothing.
    only_here = Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
    return Starlette(routes=[Route("/", page)], middleware=[only_here])


def build_in_background(docs: DbtDocsPage) -> threading.Thread:
    """Build the page, where the project changed, in a process that yields to all others."""
    thread = threading.Thread(target=_build, args=(docs,), daemon=True)
    thread.start()
    return thread


def _build(docs: DbtDocsPage) -> None:
    docs.failure.parent.mkdir(parents=True, exist_ok=True)
    output = docs.failure.with_suffix(".output")
    with output.open("wb") as written:
        done = subprocess.run(  # noqa: S603 - our own command line
            BUILD,
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode > 0:
        output.replace(docs.failure)
    elif done.returncode == 0:
        docs.failure.unlink(missing_ok=True)
    # One that was ended by a signal, as by Ctrl-C, says nothing about the project.
    output.unlink(missing_ok=True)


def main() -> None:
    """`python -m orchestration.local.dbt_docs --port N`, or `--build` for the page alone."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--build", action="store_true")
    arguments = parser.parse_args()
    docs = Adapters(Settings.load()).dbt_docs
    if arguments.build:
        os.nice(LOWEST_PRIORITY)
        docs.build()
        return
    build_in_background(docs)
    uvicorn.run(app(docs), host=HOST, port=arguments.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
