"""dbt's tests in words: what each says when it passes, and which are of the lake's tables alone."""

from collections.abc import Mapping
from typing import Any, Final

_COMMENT: Final = "--"
# A generic test -> what it says of its column, where it passes.
_SENTENCES: Final = {
    "not_null": "No row lacks {column}.",
    "unique": "No two rows have the same {column}.",
    "accepted_values": "Every {column} that is there is one of: {values}.",
    "relationships": "Every {column} that is there is in {to}.",
}


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
        to=arguments.get("to", "").removeprefix("ref('").removesuffix("')"),
    )


def _first_comment(sql: str) -> str:
    lines = []
    for line in sql.splitlines():
        if not line.startswith(_COMMENT):
            break
        lines.append(line.removeprefix(_COMMENT).strip())
    return " ".join(lines)
