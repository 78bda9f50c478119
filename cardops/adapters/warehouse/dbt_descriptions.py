"""What dbt's manifest says of the models: the words that analysts find beside the marts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Description:
    """What a model and its columns mean, in dbt's words, each on one line; and how it is published."""

    text: str
    columns: Mapping[str, str]
    # A date of its rows: they are published in one file for each of its months.
    published_by_month_of: str | None = None


def described_models(manifest: Path) -> Mapping[str, Description]:
    """The description of each model by name; none where dbt wrote no manifest beside its build."""
    return {
        node["name"]: Description(
            _one_line(node["description"]),
            {name: _one_line(column["description"]) for name, column in node["columns"].items()},
            node["config"]["meta"].get("published_by_month_of"),
        )
        for node in _models(manifest)
    }


def contract_columns(manifest: Path) -> Mapping[str, Mapping[str, str]]:
    """Columns and their types, of each model whose contract dbt enforces."""
    return {
        node["name"]: {name: column["data_type"] for name, column in node["columns"].items()}
        for node in _models(manifest)
        if node["config"]["contract"]["enforced"]
    }


def _models(manifest: Path) -> list[dict[str, Any]]:
    try:
        nodes = json.loads(manifest.read_text())["nodes"]
    except FileNotFoundError:
        return []
    return [node for node in nodes.values() if node["resource_type"] == "model"]


def _one_line(text: str) -> str:
    return " ".join(text.split())
