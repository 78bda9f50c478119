"""The names of dagster_dbt that Cardops uses, imported without dbt itself. Import them from here.

dagster_dbt imports dbt for its version and two lists of names: 1.5 CPU seconds and 40 MB in every
process that loads the definitions, while dbt runs in a process of its own. Where dbt cannot be
imported (dbt Fusion is a program), dagster_dbt uses lists of its own; here it is told so.
tests/orchestration/test_private_dagster.py fails where a new version needs dbt itself.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, cast

_HIDDEN: Final = "dbt.version"


@contextmanager
def _without_dbt() -> Iterator[None]:
    """Importing dbt fails inside the block."""
    modules = cast("dict[str, object]", sys.modules)
    former = modules.get(_HIDDEN)
    modules[_HIDDEN] = None  # how Python marks a module that cannot be imported
    try:
        yield
    finally:
        del modules[_HIDDEN]
        if former is not None:
            modules[_HIDDEN] = former


with _without_dbt():
    from dagster_dbt import (
        DagsterDbtTranslator,
        DagsterDbtTranslatorSettings,
        DbtCliResource,
        dbt_assets,
    )

__all__ = ["DagsterDbtTranslator", "DagsterDbtTranslatorSettings", "DbtCliResource", "dbt_assets"]
