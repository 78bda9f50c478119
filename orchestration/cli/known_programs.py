"""The program that a command names."""

from cardops.bootstrap import Adapters
from cardops.rules.programs.programs import Program
from cardops.services.programs.administration import ProgramAdministration
from orchestration.cli.output import say


def administration(adapters: Adapters) -> ProgramAdministration:
    """Programs and their callback secrets, under these settings."""
    return ProgramAdministration(adapters.programs, adapters.secrets, adapters.clock)


def ensure_program(adapters: Adapters, name: str) -> None:
    """Create the program where it is missing, and say so. Raises InvalidProgramError."""
    program = Program(name, adapters.settings.default_currency)
    if administration(adapters).ensure(program):
        say(
            f"Program {name} did not exist and was created in {program.currency}; "
            f"`cardops program rotate-secret {name}` shows a callback secret."
        )
