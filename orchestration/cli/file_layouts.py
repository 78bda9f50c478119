"""`cardops deliveries layout`: how the chargeback files of a destination look.

Belongs here: storing, showing and trying layouts. What one may say is in cardops.rules.chargebacks.layouts.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from cardops.bootstrap import Adapters
from cardops.rules.chargebacks.layouts import (
    DestinationLayout,
    StoredLayout,
    parse_layout,
    standard_layout,
)
from cardops.rules.chargebacks.routing import NETWORKS
from cardops.rules.intake.files import DEFAULT_PROGRAM
from cardops.settings import Settings
from orchestration.cli.known_programs import administration
from orchestration.cli.output import CommandError, JsonOption, print_json, say
from orchestration.cli.people import person_of
from orchestration.composition import chargeback_files_of

MAX_LINES = 1_000
app = typer.Typer(no_args_is_help=True, help="Say how the files of a destination look.")
Destination = Annotated[
    str, typer.Argument(help="A card company, or default for size-balanced batches.")
]
ProgramOption = Annotated[str, typer.Option(help="Card program of the files.")]
ByOption = Annotated[str | None, typer.Option(help="Who requested it; by default you.")]


@app.command("set")
def set_layout(
    destination: Destination,
    layout: Annotated[
        Path | None, typer.Argument(help="JSON file; without one, the standard layout again.")
    ] = None,
    *,
    why: Annotated[str, typer.Option(help="Why; recorded.")],
    program: ProgramOption = DEFAULT_PROGRAM,
    by: ByOption = None,
    json_output: JsonOption = False,
) -> None:
    """Store a layout of a destination's files; batches filed from now on follow it."""
    _require_destination(destination)
    adapters = Adapters(Settings.load())
    administration(adapters).find(program)
    definition = None if layout is None else _read(layout)
    if definition is not None:
        parse_layout(definition)
    version = adapters.intake_ledger.add_layout(
        program, destination, definition, set_by=person_of(by), why=why
    )
    if json_output:
        print_json({"program": program, "destination": destination, "version": version})
    else:
        say(f"Version {version} of the layout for {destination} is in force for new batches.")


@app.command("show")
def show_layouts(
    destination: Annotated[str | None, typer.Argument(help="Only of this destination.")] = None,
    *,
    program: ProgramOption = DEFAULT_PROGRAM,
    json_output: JsonOption = False,
) -> None:
    """Show every version of a program's layouts; the last of a destination is in force."""
    adapters = Adapters(Settings.load())
    administration(adapters).find(program)
    stored = adapters.intake_ledger.layouts(program, destination)
    if json_output:
        print_json({"data": [described(layout) for layout in stored]})
        return
    for layout in stored:
        text = "standard" if layout.definition is None else json.dumps(dict(layout.definition))
        typer.echo(
            f"{layout.destination} version {layout.version} (by {layout.set_by}: {layout.why})  {text}"
        )
    if not stored:
        typer.echo(f"{program} has no layouts of its own; its files have the standard columns.")


@app.command("try")
def try_layout(
    batch: Annotated[str, typer.Argument(help="A batch, as `deliveries list` shows it.")],
    network: Annotated[
        str, typer.Argument(help="Its network: visa, mastercard, amex or discover.")
    ],
    layout: Annotated[
        Path | None, typer.Argument(help="JSON file; without one, the standard layout.")
    ] = None,
    *,
    lines: Annotated[int, typer.Option(help="How many lines are shown.", min=1, max=MAX_LINES)] = 5,
    json_output: JsonOption = False,
) -> None:
    """Show the first lines of a batch's file in a layout. Nothing is stored or sent."""
    if network not in NETWORKS:
        raise CommandError(f"NETWORK must be one of {', '.join(NETWORKS)}.")
    shown = standard_layout() if layout is None else parse_layout(_read(layout))
    text = _preview(Adapters(Settings.load()), batch, network, shown, lines)
    if json_output:
        print_json({"batch": batch, "network": network, "text": text})
    else:
        typer.echo(text, nl=False)


def described(layout: StoredLayout) -> dict[str, Any]:
    """A version for `--json`."""
    return {
        "program": layout.program,
        "destination": layout.destination,
        "version": layout.version,
        "layout": layout.definition,
        "set_by": layout.set_by,
        "why": layout.why,
    }


def _preview(
    adapters: Adapters, batch: str, network: str, layout: DestinationLayout, lines: int
) -> str:
    return chargeback_files_of(adapters).preview(batch, network, layout, lines)


def _require_destination(name: str) -> None:
    if name not in {*NETWORKS, "default"}:
        raise CommandError(f"DESTINATION must be one of {', '.join(NETWORKS)} or default.")


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CommandError(f"{path} is no JSON file that can be read: {error}.") from None
    if not isinstance(found, dict):
        raise CommandError(f"{path} is no JSON object with columns.")
    return found
