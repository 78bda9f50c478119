"""The page about file formats says what the contracts say."""

from cardops.contracts.kinds.documentation import PAGE, page_with, tables
from cardops.contracts.kinds.registry import KINDS


def test_page_contains_the_tables_of_the_contracts() -> None:
    page = PAGE.read_text()

    assert page_with(page) == page, "run: python -m cardops.contracts.kinds.documentation"


def test_every_column_is_documented() -> None:
    documented = tables()

    for profile in KINDS.values():
        assert all(f"| `{column}` |" in documented for column in profile.contract.columns)
