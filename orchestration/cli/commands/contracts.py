"""`cardops contracts`: what files of each kind must look like, for partners who send them."""

import json
from typing import Annotated, Any

import typer

from cardops.contracts.kinds import KIND_NAMES
from cardops.rules.intake.files import Kind
from orchestration.cli.commands.submit import parse_kind
from orchestration.cli.output import JsonOption, print_json

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_contracts(*, json_output: JsonOption = False) -> None:
    """List the kinds of input files, with the version and the required columns of each."""
    from cardops.contracts.kinds.registry import KINDS  # noqa: PLC0415 - loads polars

    contracts: list[dict[str, Any]] = [
        {
            "kind": kind,
            "version": profile.contract.version,
            "required": list(profile.contract.required),
            "optional": [
                name for name in profile.contract.columns if name not in profile.contract.required
            ],
        }
        for kind, profile in KINDS.items()
    ]
    if json_output:
        print_json({"data": contracts})
        return
    for contract in contracts:
        required = ", ".join(contract["required"])
        typer.echo(f"{contract['kind']}, version {contract['version']}: {required}")


@app.command()
def schema(
    kind: Annotated[
        str,
        typer.Argument(
            help="Kind of rows.", parser=parse_kind, metavar=f"[{'|'.join(KIND_NAMES)}]"
        ),
    ],
    *,
    json_output: JsonOption = False,
) -> None:
    """Print the JSON Schema (draft 2020-12) of one row of the kind; with --json on one line."""
    from cardops.contracts.kinds.registry import KINDS  # noqa: PLC0415 - loads polars
    from cardops.contracts.published.json_schema import (  # noqa: PLC0415 - loads polars
        schema_of,
    )

    row_schema = schema_of(KINDS[Kind(kind)])
    if json_output:
        print_json(row_schema)
    else:
        typer.echo(json.dumps(row_schema, indent=1, ensure_ascii=False))
