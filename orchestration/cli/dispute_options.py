"""How commands about one dispute name it, and who does something to it."""

from typing import Annotated

import typer

Case = Annotated[str, typer.Argument(help="The dispute's case number.")]
ProgramOption = Annotated[
    str | None, typer.Option(help="The card program, where several have the case number.")
]
NetworkOption = Annotated[
    str | None, typer.Option(help="The card company, where several have the case number.")
]
ByOption = Annotated[
    str | None, typer.Option(help="Who does this; by default you, on this machine.")
]
