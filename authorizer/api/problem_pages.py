"""The HTML page of each problem `type`: no scripts, no fonts, nothing loaded from elsewhere."""

import html
from collections.abc import Mapping
from typing import Final

from authorizer.api.problems import KINDS

_COMMON_HEADERS: Final = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
_NO_FRAMES: Final = "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color:#1c2430;background:#fff}h1,h2{line-height:1.2}h2{margin-top:2.5rem}"
    "code{background:#f3f5f8;padding:0 .2rem;border-radius:3px}a{color:#0b5cad}"
)


def page_headers(*sources: str) -> Mapping[str, str]:
    """Headers of a page that only loads the given sources (CSP directives) and cannot be framed."""
    policy = "; ".join(["default-src 'none'", *sources, _NO_FRAMES])
    return {"content-security-policy": policy, **_COMMON_HEADERS}


PROBLEM_PAGE_HEADERS: Final = page_headers("style-src 'unsafe-inline'")


def problem_page(slug: str) -> str | None:
    """The HTML page of a problem; None for an unknown slug."""
    kind = KINDS.get(slug)
    if kind is None:
        return None
    title = html.escape(kind.title)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><h1>{title}</h1>"
        f"<p>Status <code>{kind.status}</code> · type <code>/problems/{slug}</code></p>"
        f"<h2>What to do</h2><p>{_with_code(kind.advice)}</p>"
        "<p>In the response, <code>detail</code> says what is wrong with this request, <code>errors</code> "
        "names the fields, and the header <code>x-request-id</code> identifies it in the "
        'operator\'s log.</p><p><a href="/docs">All operations</a></p></body></html>'
    )


def _with_code(text: str) -> str:
    """Escaped text; backticks become code elements."""
    pieces = html.escape(text).split("`")
    return "".join(
        f"<code>{piece}</code>" if number % 2 else piece for number, piece in enumerate(pieces)
    )
