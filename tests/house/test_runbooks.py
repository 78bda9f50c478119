"""Each runbook has the same five headings, is in the list, and each alarm names one that exists."""

import re
from pathlib import Path

import pytest

from tests.factories.documents import DOCS

ROOT = DOCS.parent
RUNBOOKS = sorted(page for page in (DOCS / "runbooks").glob("*.md") if page.name != "README.md")
HEADINGS = [
    "What you see",
    "What it means",
    "Is money at risk",
    "Do this now",
    "How to know it is over",
]
CODE = ("assets", "cardops", "orchestration", "resources", "sensors")


def sections(page: Path) -> dict[str, str]:
    """The text below each second heading, in order."""
    _, *parts = re.split(r"^## ", page.read_text(), flags=re.MULTILINE)
    return {
        name.strip(): text.strip() for name, _, text in (part.partition("\n") for part in parts)
    }


@pytest.mark.parametrize("page", RUNBOOKS, ids=lambda page: page.stem)
def test_runbook_has_the_five_headings_and_something_below_each(page: Path) -> None:
    found = sections(page)

    assert list(found) == HEADINGS
    assert [name for name, text in found.items() if len(text) < 20] == []


def test_every_runbook_is_in_the_list_of_alarms() -> None:
    listed = re.findall(r"\]\(([a-z-]+\.md)\)", (DOCS / "runbooks" / "README.md").read_text())

    assert sorted(listed) == [page.name for page in RUNBOOKS]


def test_every_runbook_that_code_or_an_alert_names_exists() -> None:
    named = {
        name
        for folder in CODE
        for source in (ROOT / folder).rglob("*.py")
        for name in re.findall(r"docs/runbooks/([\w-]+\.md)", source.read_text())
    }
    alerts = (ROOT / "deploy" / "alerts.yaml").read_text()
    named |= set(re.findall(r"runbooks/([\w-]+\.md)", alerts))

    assert named - {page.name for page in RUNBOOKS} == {"README.md"}


def test_every_metric_that_a_runbook_names_is_measured() -> None:
    measured = {
        f"cardops_{name}"
        for source in (ROOT / "authorizer").rglob("*.py")
        for name in re.findall(r'"(?:cardops_)?([a-z_]+)"', source.read_text())
    }
    named = {
        name for page in RUNBOOKS for name in re.findall(r"`(cardops_[a-z_]+)`", page.read_text())
    }

    assert len(named) > 10
    assert {name.removesuffix("_total") for name in named} - {
        name.removesuffix("_total") for name in measured
    } == set()
