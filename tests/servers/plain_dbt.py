"""dbt's models built without dbt, which takes seconds to start: rendered by Jinja, run by DuckDB.

Belongs here: what a build does of dbt's own, in the order of the models' references: views, tables, and
incremental tables by their strategy.
"""

import re
from collections.abc import Collection, Mapping
from graphlib import TopologicalSorter
from types import SimpleNamespace
from typing import Any, NoReturn

import duckdb
import jinja2
import yaml

from cardops.adapters.warehouse.dbt import PROJECT_DIR

RULES = PROJECT_DIR.parent / "cardops" / "rules" / "data"


class _ReturnedError(Exception):
    """A macro's `return`."""


class _Relation(str):
    """The table of a model, as `this`."""

    __slots__ = ()

    @property
    def identifier(self) -> str:
        return self.partition(".")[2]


class PlainDbt:
    """Builds the models of the project in one DuckDB file: all, or what the named ones need."""

    def __init__(self, wanted: Collection[str] = ()) -> None:
        self._environment = jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=False)  # noqa: S701 - SQL
        self._templates: dict[str, jinja2.Template] = {}
        paths = {path.stem: path for path in (PROJECT_DIR / "models").rglob("*.sql")}
        self._models = {name: path.read_text() for name, path in paths.items()}
        self._schemas = {
            name: path.relative_to(PROJECT_DIR / "models").parts[0] for name, path in paths.items()
        }
        macros = [path.read_text() for path in sorted((PROJECT_DIR / "macros").glob("*.sql"))]
        self._macros = self._environment.from_string("\n".join(macros))
        self._project = yaml.safe_load((PROJECT_DIR / "dbt_project.yml").read_text())
        references = {
            name: set(re.findall(r"ref\(['\"](\w+)['\"]\)", text)) & paths.keys()
            for name, text in self._models.items()
        }
        needed, found = set(wanted or paths), set[str]()
        while needed:
            found |= needed
            needed = set[str]().union(*(references[name] for name in needed)) - found
        chosen = {name: references[name] for name in found}
        self._order = tuple(TopologicalSorter(chosen).static_order())
        project = yaml.safe_load((PROJECT_DIR / "dbt_project.yml").read_text("utf-8"))
        self._seeds: Mapping[str, Mapping[str, str]] = {
            name: settings["+column_types"]
            for name, settings in project["seeds"]["cardops"].items()
            if isinstance(settings, dict) and settings["+enabled"]
        }

    def change(self, name: str, said: str, says: str) -> None:
        """Put a fault into a model: it says this instead of that."""
        assert said in self._models[name], f"{name} says {said} no more"
        self._models[name] = self._models[name].replace(said, says)

    def run(self, variables: Mapping[str, str]) -> None:
        """A build as `dbt build` makes it with these variables."""
        with duckdb.connect(variables["CARDOPS_BUILD_FILE"]) as session:
            session.execute(
                "set TimeZone = 'UTC'; set threads = 1; set parquet_metadata_cache = true"
            )
            for schema in ("staging", "intermediate", "marts", "seeds"):
                session.execute(f"create schema if not exists {schema}")
            for seed, types in self._seeds.items():
                casts = ", ".join(
                    f"cast({name} as {kind}) as {name}" for name, kind in types.items()
                )
                session.execute(
                    f"create or replace table seeds.{seed} as select * replace ({casts})"  # noqa: S608 - ours
                    f" from read_csv('{RULES / seed}.csv', all_varchar = true)"
                )
            for name in self._order:
                _Model(self, session, variables, name).build()

    def relation(self, name: str) -> _Relation:
        return _Relation(f"{self._schemas.get(name, 'seeds')}.{name}")

    def text(self, name: str) -> str:
        return self._models[name]

    def variable(self, name: str, default: object = None) -> object:
        return self._project["vars"].get(name, default)

    def macros(self, context: Mapping[str, Any]) -> Any:
        return self._macros.make_module(dict(context))

    def rendered(self, text: str, context: Mapping[str, Any]) -> str:
        # Compiled once for all builds: that takes longer than to render.
        if text not in self._templates:
            self._templates[text] = self._environment.from_string(text)
        return self._templates[text].render(context)


class _Model:
    def __init__(
        self,
        dbt: PlainDbt,
        session: duckdb.DuckDBPyConnection,
        variables: Mapping[str, str],
        name: str,
    ) -> None:
        self._dbt, self._session, self._variables, self._name = dbt, session, variables, name
        self._this = dbt.relation(name)
        self._config: dict[str, Any] = {}
        self._context = {
            "execute": True,
            "this": self._this,
            "target": SimpleNamespace(type="duckdb", name="duckdb", schema="main"),
            "config": _Config(self._config),
            "is_incremental": self._is_incremental,
            "ref": dbt.relation,
            "source": lambda _, table: self._source(table),
            "var": dbt.variable,
            "env_var": lambda key, default="": variables.get(key, default),
            "run_query": self._query,
            "return": _raise_returned,
            "dbt": SimpleNamespace(
                dateadd=lambda part, count, start: f"({start} + ({count}) * interval 1 {part})",
                datediff=lambda start, end, part: f"date_diff('{part}', {start}, {end})",
            ),
        }
        for key, macro in vars(dbt.macros(self._context)).items():
            if callable(macro) and not key.startswith("_"):
                self._context[key] = _catching(macro)

    def build(self) -> None:
        sql = self._dbt.rendered(self._dbt.text(self._name), self._context)
        kind = self._config.get("materialized") or (
            "table" if self._this.startswith("marts.") else "view"
        )
        if self._is_incremental():
            self._update(sql)
        else:
            what = "view" if kind == "view" else "table"
            self._session.execute(f"create or replace {what} {self._this} as {sql}")
        if kind == "incremental":
            self._session.execute(self._macro("remember_build"))

    def _update(self, sql: str) -> None:
        self._session.execute(f"create or replace temp table changed as {sql}")
        strategy, key = self._config["incremental_strategy"], self._config.get("unique_key")
        if strategy == "whole_dates":
            table = self._config["meta"]["lake_tables"][0]
            gone = self._macro("is_on", self._macro("touched_dates", table)["all"])
        else:
            gone = f"{key} in (select {key} from changed)"  # noqa: S608 - the project's own names
        kept = "program is not null" if strategy == "whole_keys" else "true"
        self._session.execute(f"delete from {self._this} where {gone}")  # noqa: S608 - as above
        changed = f"select * from changed where {kept}"  # noqa: S608 - as above
        self._session.execute(f"insert into {self._this} by name {changed}")

    def _is_incremental(self) -> bool:
        is_whole = self._variables["DBT_FULL_REFRESH"] == "true"
        if self._config.get("materialized") != "incremental" or is_whole:
            return False
        # Not information_schema, which looks through every view too.
        query = "select count(*) from duckdb_tables() where schema_name || '.' || table_name = ?"
        (count,) = self._session.execute(query, [str(self._this)]).fetchall()[0]
        return bool(count)

    def _macro(self, name: str, *arguments: object) -> Any:
        macro: Any = self._context[name]
        return macro(*arguments)

    def _query(self, sql: str) -> SimpleNamespace:
        rows = self._session.execute(sql).fetchall()
        width = len(self._session.description or ())
        columns = [
            SimpleNamespace(values=lambda place=place: [row[place] for row in rows])
            for place in range(width)
        ]
        return SimpleNamespace(rows=rows, columns=columns)

    def _source(self, table: str) -> str:
        return (
            f"read_parquet('{self._variables['CARDOPS_SOURCES']}/{table}/*/*/*.parquet',"
            " hive_partitioning = true, union_by_name = true, hive_types = {'business_date': date})"
        )


class _Config:
    """A model's `config(…)`, and `config.get`."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def __call__(self, **values: Any) -> str:
        self._values.update(values)
        return ""

    def get(self, name: str, default: object = None) -> Any:
        return self._values.get(name, default)


def _raise_returned(value: object) -> NoReturn:
    raise _ReturnedError(value)


def _catching(macro: Any) -> Any:
    def call(*arguments: Any, **named: Any) -> Any:
        try:
            return macro(*arguments, **named)
        except _ReturnedError as returned:
            return returned.args[0]

    return call
