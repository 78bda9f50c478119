"""The tables of docs/file-formats.md, generated from the contracts.

Run `python -m cardops.contracts.kinds.documentation` to write them again; a test compares the page
with them.
"""

from pathlib import Path
from typing import Final

from cardops.contracts.kinds.contract import Contract
from cardops.contracts.kinds.registry import KINDS
from cardops.rules.intake.files import RowFlag, RowReason

PAGE: Final = Path(__file__).resolve().parents[3] / "docs" / "file-formats.md"
BEGIN: Final = "<!-- tables from the contracts: begin -->"
END: Final = "<!-- tables from the contracts: end -->"
_CHECKS: Final = {
    "is_id": "id",
    "is_currency": "ISO 4217, upper case",
    "is_amount": "amount",
    "is_instant": "instant",
}


def tables() -> str:
    """Every contract as a table, then the closed sets of reasons and flags."""
    parts = [_table(profile.contract) for profile in KINDS.values()]
    parts.append("Row reasons: " + ", ".join(f"`{reason}`" for reason in RowReason) + ".")
    parts.append("Row flags: " + ", ".join(f"`{flag}`" for flag in RowFlag) + ".")
    return "\n\n".join(parts)


def page_with(page: str) -> str:
    """The page with its tables replaced."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}"


def _table(contract: Contract) -> str:
    columns = contract.model.to_schema().columns
    lines = [
        f"### {contract.kind}",
        "",
        "| column | required | must be | also called | meaning |",
        "|---|---|---|---|---|",
    ]
    for name, column in columns.items():
        required = "" if column.nullable else "yes"
        aliases = ", ".join(f"`{alias}`" for alias in contract.aliases.get(name, ()))
        kind = _kind(contract, name)
        lines.append(f"| `{name}` | {required} | {kind} | {aliases} | {column.description} |")
    return "\n".join(lines)


def _kind(contract: Contract, name: str) -> str:
    checks = contract.model.to_schema().columns[name].checks
    if not checks:
        return "text"
    if checks[0].name == "isin":
        return ", ".join(f"`{value}`" for value in checks[0].statistics["allowed_values"])
    if contract.times.get(name):
        return "date or instant"
    return _CHECKS[str(checks[0].name)]


if __name__ == "__main__":
    PAGE.write_text(page_with(PAGE.read_text()))
