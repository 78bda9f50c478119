"""`cardops version`."""

import platform
from importlib import metadata
from typing import Final

import typer

from orchestration.cli.output import JsonOption, print_json

PARTS: Final = ("dagster", "polars", "duckdb", "dbt-core", "psycopg")

app = typer.Typer()


@app.command()
def version(*, json_output: JsonOption = False) -> None:
    """Print the version of Cardops and of the main packages it uses."""
    found = {"cardops": metadata.version("cardops"), "python": platform.python_version()}
    found |= {name: metadata.version(name) for name in PARTS}
    if json_output:
        print_json(found)
    else:
        typer.echo("\n".join(f"{name} {number}" for name, number in found.items()))
