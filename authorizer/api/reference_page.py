"""Pages for people, whole in themselves: no script, no font, nothing fetched from elsewhere."""

import html
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from authorizer.api.problems import KINDS
from authorizer.api.schema_words import in_words, type_link, type_table

# Nothing may run or be fetched; nobody may frame the page.
PAGE_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; "
        "form-action 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color:#1c2430;background:#fff}h1,h2,h3{line-height:1.2}h2{margin-top:2.5rem}"
    "pre{background:#f3f5f8;padding:.8rem;overflow:auto;border-radius:6px}"
    "code{background:#f3f5f8;padding:0 .2rem;border-radius:3px}pre code{padding:0}"
    "table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;"
    "padding:.3rem .6rem;border-bottom:1px solid #d9dee6}section td:first-child{width:11rem}"
    "@media(max-width:45rem){td,h2{overflow-wrap:anywhere}}section{border-top:2px solid #d9dee6}"
    ".m{display:inline-block;min-width:3.5rem;font-weight:700;color:#0b5cad}a{color:#0b5cad}"
)


def problem_page(slug: str) -> str | None:
    """The page of a problem's `type`, or None."""
    kind = KINDS.get(slug)
    if kind is None:
        return None
    advice = _marked(kind.advice)
    return _page(
        kind.title,
        f"<h1>{html.escape(kind.title)}</h1>"
        f"<p>Status <code>{kind.status}</code> · type <code>/problems/{slug}</code></p>"
        f"<h2>What to do</h2><p>{advice}</p>"
        "<p>The answer's <code>detail</code> says what was wrong this time, <code>errors</code> "
        "names the fields, and the header <code>x-request-id</code> names the request in the "
        'operator\'s log.</p><p><a href="/docs">All operations</a></p>',
    )


def reference_page(document: Mapping[str, Any]) -> str:
    """The OpenAPI document for people."""
    operations = [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    index = "".join(
        f'<tr><td><span class="m">{method.upper()}</span></td>'
        f'<td><a href="#{operation["operationId"]}"><code>{_breakable(path)}</code></a></td>'
        f"<td>{_marked(operation['summary'])}</td></tr>"
        for method, path, operation in operations
    )
    body = "".join(_operation(*one) for one in operations)
    types = "".join(
        f'<section id="type-{name}"><h3>{name}</h3>{type_table(schema)}</section>'
        for name, schema in document["components"]["schemas"].items()
    )
    info = document["info"]
    return _page(
        info["title"],
        f"<h1>{info['title']}, version {info['version']}</h1><p>{_marked(info['description'])}</p>"
        '<p>For programs: <a href="/openapi.json">/openapi.json</a>.</p>'
        f"<table>{index}</table>{body}<h2>Types</h2>{types}",
    )


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    text = (
        f'<section id="{operation["operationId"]}"><h2><span class="m">{method.upper()}</span> '
        f"<code>{html.escape(path)}</code></h2><p>{_marked(operation['summary'])}. "
        f"{_marked(operation.get('description', 'Needs no key.'))}</p>"
    )
    for parameter in operation["parameters"]:
        text += f"<p><code>{parameter['name']}</code> ({parameter['in']}): "
        text += f"{in_words(parameter['schema'])}</p>"
    if "requestBody" in operation:
        content = operation["requestBody"]["content"]["application/json"]
        text += f"<p>Body: {type_link(content['schema'])}, for example</p>"
        text += f"<pre><code>{_example(content['examples']['usual']['value'])}</code></pre>"
    rows = "".join(
        f"<tr><td><code>{status}</code></td><td>{_answer(response)}</td></tr>"
        for status, response in operation["responses"].items()
    )
    return f"{text}<table>{rows}</table></section>"


def _answer(response: Mapping[str, Any]) -> str:
    ((media_type, content),) = response["content"].items()
    if media_type == "application/problem+json":
        return " · ".join(
            f'<a href="/problems/{slug}">{html.escape(example["value"]["title"])}</a>'
            for slug, example in content["examples"].items()
        )
    if media_type != "application/json":
        return html.escape(str(media_type))
    return type_link(content["schema"])


def _example(value: object) -> str:
    """As JSON; its amounts, the only fractions in it, with the two digits of their currency."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return html.escape(re.sub(r"(?<=[0-9])\.([0-9])(?![0-9])", r".\g<1>0", text))


def _breakable(path: str) -> str:
    return html.escape(path).replace("/", "<wbr>/")


def _marked(text: str) -> str:
    """Escaped, with `this` as code."""
    dependencies = html.escape(text).split("`")
    return "".join(
        f"<code>{part}</code>" if at % 2 else part for at, part in enumerate(dependencies)
    )


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body>{body}</body></html>"
    )
