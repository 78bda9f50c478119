"""The pages for people: whole, in words, every link leads somewhere."""

import re
from typing import Any

import pytest

from authorizer.api.openapi import describe
from authorizer.api.problems import KINDS
from authorizer.api.reference_page import problem_page, reference_page
from authorizer.api.schema_words import in_words

PAGE = reference_page(describe())


def test_every_link_of_the_reference_leads_somewhere() -> None:
    targets = set(re.findall(r'href="([^"]+)"', PAGE))
    anchors = {f"#{name}" for name in re.findall(r'id="([^"]+)"', PAGE)}
    problems = {f"/problems/{slug}" for slug in KINDS}

    assert targets - anchors - problems == {"/openapi.json"}


def test_every_field_of_every_type_is_told_in_words() -> None:
    for name, schema in describe()["components"]["schemas"].items():
        (told,) = re.findall(rf'<section id="type-{name}">(.*?)</section>', PAGE)
        fields = re.findall(r"<tr><td><code>(\w+)</code></td><td>(.+?)</td></tr>", told)

        assert [field for field, _ in fields] == list(schema.get("properties", {}))
        assert all(words.strip() for _, words in fields)
    assert "anyOf" not in PAGE
    assert "$ref" not in PAGE


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 9, "default": 5},
         "a whole number from 1 to 9; 5 unless said"),
        ({"type": "boolean", "default": False},
         "<code>true</code> or <code>false</code>; false unless said"),
        ({"enum": ["a", "<b>"], "type": "string"}, "<code>a</code>, <code>&lt;b&gt;</code>"),
        ({"anyOf": [{"type": "string", "maxLength": 9}, {"type": "null"}], "default": None},
         "text of up to 9 characters or null"),
        ({"type": "array", "items": {"$ref": "#/components/schemas/X"}},
         'a list of <a href="#type-X">X</a>'),
        ({"type": "string", "format": "uri", "maxLength": 9}, "a URL of up to 9 characters"),
        ({"type": "number"}, "a number"),
        ({"type": "object"}, "an object"),
    ],
)  # fmt: skip
def test_a_schema_in_words(schema: dict[str, Any], words: str) -> None:
    assert in_words(schema) == words


def test_examples_show_amounts_with_their_currencys_digits() -> None:
    assert "&quot;amount&quot;: 25.00," in PAGE


def test_an_operation_names_only_problems_that_it_has() -> None:
    mismatch = {
        operation["operationId"]
        for methods in describe()["paths"].values()
        for operation in methods.values()
        if "idempotency-mismatch" in str(operation["responses"])
    }

    assert mismatch == {"authorize", "refund", "increment"}


@pytest.mark.parametrize("slug", KINDS)
def test_every_problem_has_a_page_that_says_what_to_do(slug: str) -> None:
    page = problem_page(slug)

    assert page is not None
    assert KINDS[slug].title in page
    assert "What to do" in page
