"""dbt's tests in words: what each says when it passes, and which are of the lake's tables alone."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

_COMMENT: Final = "--"
# A generic test -> what it says of its column, where it passes.
_SENTENCES: Final = {
    "not_null": "No row lacks {column}.",
    "unique": "No two rows have the same {column}.",
    "is_key": "Every row has a {column}, and no two rows the same.",
    "accepted_values": "Every {column} that is there is one of: {values}.",
    "relationships": "Every {column} that is there is in {to}.",
    "is_of_the_newest_closed_date": "It has the newest date that was closed.",
}
# The same as a name: dbt's own repeats the model and lists all values, in up to 215 characters.
_NAMES: Final = {
    "not_null": "{column}_is_not_null",
    "unique": "{column}_is_unique",
    "accepted_values": "{column}_has_a_known_value",
    "relationships": "{column}_is_in_{to}",
}


def with_short_names(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    """The manifest with names of tests that are short and unique within their model.

    dagster_dbt names checks after them; dbt itself, and its results, know tests by their unique ids.
    """
    nodes = manifest["nodes"]
    wanted = {
        key: _short_name(node) for key, node in nodes.items() if node["resource_type"] == "test"
    }
    counts = Counter((nodes[key].get("attached_node"), name) for key, name in wanted.items())
    short = {
        key: {**nodes[key], "name": name}
        for key, name in wanted.items()
        if counts[nodes[key].get("attached_node"), name] == 1
    }
    return {**manifest, "nodes": {**nodes, **short}}


def tests_a_source(node: Mapping[str, Any]) -> bool:
    """Whether dbt's node is a test of nothing but tables of the lake."""
    read = node.get("depends_on", {}).get("nodes", [])
    return (
        node["resource_type"] == "test"
        and bool(read)
        and all(name.startswith("source.") for name in read)
    )


def sentence_of(test: Mapping[str, Any]) -> str:
    """What is so where the test passes: its description, else what its kind says, else its first comment."""
    if test["description"]:
        return str(test["description"]).strip()
    generic = test.get("test_metadata")
    if not generic:
        return _first_comment(test["raw_code"]) or f"dbt's test {test['name']} finds no row."
    arguments = generic["kwargs"]
    sentence = _SENTENCES.get(generic["name"], f"dbt's test {generic['name']} finds no row.")
    return sentence.format(
        column=test["column_name"],
        values=", ".join(map(str, arguments.get("values", ()))),
        to=_other_model(arguments),
    )


def _short_name(test: Mapping[str, Any]) -> str:
    generic = test.get("test_metadata")
    if not generic:
        return str(test["name"])
    if not test["column_name"]:
        return str(generic["name"])
    name = _NAMES.get(generic["name"], "{column}_" + generic["name"])
    return str(name.format(column=test["column_name"], to=_other_model(generic["kwargs"])))


def _other_model(arguments: Mapping[str, Any]) -> str:
    return str(arguments.get("to", "")).removeprefix("ref('").removesuffix("')")


def _first_comment(sql: str) -> str:
    lines = []
    for line in sql.splitlines():
        if not line.startswith(_COMMENT):
            break
        lines.append(line.removeprefix(_COMMENT).strip())
    return " ".join(lines)
