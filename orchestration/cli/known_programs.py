"""The program that a command names."""

from cardops.adapters.postgresql.programs.programs import PostgresPrograms
from cardops.rules.programs.programs import Program
from orchestration.cli.output import CommandError


def known_program(url: str, name: str) -> Program:
    """Raises CommandError where there is none: it would look as if it had nothing to show."""
    found = PostgresPrograms(url).find(name)
    if found is None:
        raise CommandError(f"There is no program {name}; `cardops program list` shows them.")
    return found
