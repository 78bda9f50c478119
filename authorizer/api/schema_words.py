"""A JSON schema of the OpenAPI document in words, as HTML: what a field may hold.

Belongs here: words for the schemas that our own types make. Nothing about pages.
"""

import html
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from authorizer.api.schemas import ID_SCHEMA

# More members than this are told by their description, not by name.
MAX_NAMED: Final = 12
_NULL: Final = {"type": "null"}


def in_words(schema: Mapping[str, Any]) -> str:
    """Such as: a whole number from 1 to 100, 50 unless said."""
    words = _words(schema)
    unless_said = schema.get("default")
    if unless_said is None or unless_said == []:
        return words
    return f"{words}; {html.escape(str(unless_said).lower())} unless said"


def type_table(schema: Mapping[str, Any]) -> str:
    """The fields of an object, a row each."""
    fields: Mapping[str, Mapping[str, Any]] = schema.get("properties", {})
    needed = schema.get("required", [])
    rows = "".join(
        f"<tr><td><code>{name}</code></td><td>{in_words(field)}"
        f"{'' if name in needed else ' (optional)'}</td></tr>"
        for name, field in fields.items()
    )
    about = html.escape(schema.get("description", "An object.")).replace("`", "")
    return f"<p>{about}</p>" + (f"<table>{rows}</table>" if rows else "")


def type_link(schema: Mapping[str, str]) -> str:
    """A link to where the type that is referred to is told."""
    name = schema["$ref"].rpartition("/")[2]
    return f'<a href="#type-{name}">{name}</a>'


def _words(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return type_link(schema)
    if "enum" in schema:
        return _one_of(schema)
    if "anyOf" in schema:
        return _any_of(schema)
    return _KINDS.get(schema.get("type", "object"), _KINDS["object"])(schema)


def _one_of(schema: Mapping[str, Any]) -> str:
    members: Sequence[str] = schema["enum"]
    if len(members) > MAX_NAMED:
        return html.escape(f"{schema.get('description', 'one of')} ({len(members)} are known)")
    return ", ".join(f"<code>{html.escape(one)}</code>" for one in members)


def _any_of(schema: Mapping[str, Any]) -> str:
    if "description" in schema:
        return html.escape(str(schema["description"]))
    words = " or ".join(_words(one) for one in schema["anyOf"] if one != _NULL)
    return f"{words} or null" if _NULL in schema["anyOf"] else words


def _text(schema: Mapping[str, Any]) -> str:
    pattern: str | None = schema.get("pattern")
    if pattern == ID_SCHEMA:
        return "an id: 1 to 64 of letters, digits and <code>_.:-</code>"
    if pattern is not None:
        return f"text of the form <code>{html.escape(pattern)}</code>"
    kind = "a URL" if schema.get("format") == "uri" else "text"
    return f"{kind} of up to {schema['maxLength']} characters" if "maxLength" in schema else kind


def _number(schema: Mapping[str, Any]) -> str:
    kind = "a whole number" if schema["type"] == "integer" else "a number"
    if "minimum" in schema and "maximum" in schema:
        return f"{kind} from {schema['minimum']} to {schema['maximum']}"
    return kind


_KINDS: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "string": _text,
    "number": _number,
    "integer": _number,
    "boolean": lambda _: "<code>true</code> or <code>false</code>",
    "array": lambda schema: f"a list of {_words(schema['items'])}",
    "object": lambda _: "an object",
}
