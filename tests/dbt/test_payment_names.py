"""The marts' names of payment methods and providers are those of the rules."""

from pathlib import Path
from random import Random

import duckdb
import jinja2
import pytest

from cardops.rules.data_tables import read_table
from cardops.rules.payment_names import Subject, payment_name

PROJECT = Path(__file__).parents[2] / "dbt_project"
TABLE = Path(__file__).parents[2] / "cardops/rules/data/payment_names.csv"

QUERY = """
    select texts.text, {{ named_text('names', 'texts.text') }} as name
    from texts
    left join names
        on names.subject = $subject and names.spelling = {{ normalized_text('texts.text') }}
"""


def spelled(random: Random, text: str) -> str:
    """The text as somebody may write it: other case, other separators, spaces around it."""
    letters = [letter.upper() if random.random() < 0.5 else letter for letter in text]
    parted = "".join(random.choice("_- ") if letter == "_" else letter for letter in letters)
    return random.choice(["", " "]) + parted + random.choice(["", "  "])


@pytest.mark.parametrize("subject", Subject)
def test_marts_name_a_text_as_the_rules_do(subject: Subject) -> None:
    random = Random(7)  # noqa: S311 - not for secrets
    known = [row["spelling"] for row in read_table("payment_names")] + ["sea_shells", "x", "__"]
    texts: list[str | None] = [None, "", "  ", *(spelled(random, text) for text in known * 4)]
    macros = (PROJECT / "macros/normalized_text.sql").read_text()
    template = jinja2.Environment(autoescape=False).from_string(macros + QUERY)  # noqa: S701 - SQL
    with duckdb.connect() as session:
        session.execute(f"create table names as from read_csv('{TABLE}', all_varchar = true)")
        session.execute("create table texts as select unnest(?::varchar[]) as text", [texts])
        found = session.execute(template.render(), {"subject": str(subject)}).fetchall()

    assert len(found) == len(texts)
    assert dict(found) == {text: payment_name(subject, text) for text in texts}


def test_table_has_each_spelling_once_as_it_is_normalized_and_each_name_as_its_own() -> None:
    rows = [(row["subject"], row["spelling"], row["name"]) for row in read_table("payment_names")]

    assert len({(subject, spelling) for subject, spelling, _ in rows}) == len(rows)
    for subject, spelling, name in rows:
        assert spelling == spelling.strip().lower().replace(" ", "_").replace("-", "_")
        assert payment_name(Subject(subject), name) == name


@pytest.mark.parametrize("text", ["Credit_Card", "CREDIT CARD", "card", "cc", " credit-card "])
def test_card_by_any_spelling_is_a_credit_card(text: str) -> None:
    assert payment_name(Subject.PAYMENT_METHOD, text) == "credit_card"
