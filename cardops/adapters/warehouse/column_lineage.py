"""Which columns each column of a model is made from, read from the SQL that dbt compiled.

sqlglot reads the SQL. All models take 3 CPU seconds, so the result is kept in a file, beside a hash of
all that it follows from.
"""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from cardops.adapters.warehouse.build_records import PARTITION
from cardops.contracts.lake.tables import lake_tables
from cardops.rules.reports import ColumnLineage, ColumnOrigin

# Lineage does not depend on types; sqlglot asks for them.
_ANY_TYPE: Final = "text"
_SOURCE_SCHEMA: Final = "lake"
_LOG: Final = logging.getLogger(__name__)
_DIALECT: Final = "duckdb"


def column_lineage(target: Path, tables: Mapping[str, Sequence[str]]) -> ColumnLineage:
    """The origins of each model's columns, by names of models and columns.

    `target` is where dbt compiled; `tables` are the columns of each model and seed, as built. A
    model that was not compiled is left out; so is one whose SQL sqlglot cannot read, with a warning.
    """
    manifest = json.loads((target / "manifest.json").read_text())
    kept = target.parent / "column_lineage.json"
    wanted = _hash(manifest, tables)
    if kept.exists() and (former := json.loads(kept.read_text()))["hash"] == wanted:
        return _from_json(former["models"])
    project = _Project(target, manifest, tables)
    found = dict(project.lineage())
    if found.keys() == {node["name"] for node in project.models()}:
        kept.write_text(json.dumps({"hash": wanted, "models": found}))
    return found


@dataclass(frozen=True, slots=True)
class _Project:
    target: Path
    manifest: Mapping[str, Any]
    tables: Mapping[str, Sequence[str]]

    def models(self) -> Iterator[Mapping[str, Any]]:
        """The models among the nodes."""
        nodes = self.manifest["nodes"].values()
        return (node for node in nodes if node["resource_type"] == "model")

    def lineage(self) -> Iterator[tuple[str, Mapping[str, list[ColumnOrigin]]]]:
        """Each compiled model's."""
        from sqlglot.errors import SqlglotError  # noqa: PLC0415 - half a second

        for node in self.models():
            compiled = self.target / "compiled" / node["package_name"] / node["original_file_path"]
            if not compiled.exists():
                continue
            try:
                yield node["name"], self._of_model(node, compiled.read_text())
            except SqlglotError as error:
                _LOG.warning("%s is shown without column lineage: %s", node["name"], error)

    def _of_model(self, node: Mapping[str, Any], query: str) -> dict[str, list[ColumnOrigin]]:
        from sqlglot import lineage  # noqa: PLC0415

        parents = dict[tuple[str, str], str]()
        schema = dict[str, dict[str, dict[str, str]]]()
        for parent in node["depends_on"]["nodes"]:
            name, place, columns = self._parent(parent)
            query = query.replace(name.strip(), ".".join(place))
            parents[place] = parent
            schema.setdefault(place[0], {})[place[1]] = dict.fromkeys(columns, _ANY_TYPE)
        # Every column of a query at once, so that what they share is read once, and without a copy of the
        # query for each: a seventh of the time.
        tree = lineage.lineage(None, query, schema, dialect=_DIALECT, trim_selects=False)
        return {name: sorted(_origins(of, parents)) for name, of in tree.items()}

    def _parent(self, unique_id: str) -> tuple[str, tuple[str, str], list[str]]:
        """Its name in compiled SQL, a short one instead, and its columns.

        A source's name is a call with the path of its files.
        """
        if source := self.manifest["sources"].get(unique_id):
            place = (_SOURCE_SCHEMA, source["name"])
            return source["relation_name"], place, _source_columns(source["name"])
        node = self.manifest["nodes"][unique_id]
        columns = list(self.tables.get(node["name"], ()))
        return node["relation_name"], (node["schema"], node["name"]), columns


def _origins(column: Any, parents: Mapping[tuple[str, str], str]) -> set[ColumnOrigin]:
    """The columns of parents at the ends of a column's tree; a table's own former rows are none."""
    from sqlglot import exp  # noqa: PLC0415

    ends = [node for node in column.walk() if not node.downstream]
    found = set[ColumnOrigin]()
    for node in ends:
        table = node.expression.find(exp.Table)
        if table is not None and (parent := parents.get((table.db, table.name))):
            found.add(ColumnOrigin(parent, exp.to_column(node.name).name))
    return found


def _hash(manifest: Mapping[str, Any], tables: Mapping[str, Sequence[str]]) -> str:
    text = repr((
        version("sqlglot"),
        sorted((key, node.get("raw_code")) for key, node in manifest["nodes"].items()),
        sorted((key, macro["macro_sql"]) for key, macro in manifest["macros"].items()),
        sorted((name, list(columns)) for name, columns in tables.items()),
        sorted((name, list(columns)) for name, columns in lake_tables().items()),
    ))  # fmt: skip
    return hashlib.sha256(text.encode()).hexdigest()


def _source_columns(table: str) -> list[str]:
    return [*lake_tables()[table], PARTITION.removesuffix("=")]


def _from_json(models: Mapping[str, Mapping[str, list[list[str]]]]) -> ColumnLineage:
    return {
        model: {
            column: [ColumnOrigin(*origin) for origin in origins]
            for column, origins in columns.items()
        }
        for model, columns in models.items()
    }
