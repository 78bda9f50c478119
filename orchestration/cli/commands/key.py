"""`cardops key`: the keys with which partners ask the authorizer."""

from typing import Annotated, Final

import typer

from cardops.adapters.postgresql.connection import connect_info
from cardops.adapters.postgresql.programs.programs import PostgresPrograms
from cardops.rules.authorizations.decisions import instant_text
from cardops.rules.intake.files import DEFAULT_PROGRAM
from cardops.rules.programs.api_keys import (
    ApiKey,
    Scope,
    key_name_problem,
    named_key_id,
    scope_problem,
)
from cardops.rules.programs.programs import Program, program_problem
from cardops.settings import Settings
from orchestration.cli.commands.program import check, create_program
from orchestration.cli.output import CommandError, JsonOption, print_json, say

ALL_SCOPES: Final = ",".join(scope.value for scope in Scope)

app = typer.Typer(no_args_is_help=True)


@app.command()
def create(
    *,
    program: Annotated[str, typer.Option(help="The program it belongs to.")] = DEFAULT_PROGRAM,
    name: Annotated[str, typer.Option(help="Whose key it is, for people.")] = "key",
    scopes: Annotated[str, typer.Option(help="What it may do, separated by commas.")] = ALL_SCOPES,
    test: Annotated[bool, typer.Option("--test", help="Make a test key.")] = False,
    json_output: JsonOption = False,
) -> None:
    """Create a key, shown this once; a missing program is created too."""
    settings = Settings.load()
    wanted = tuple(dict.fromkeys(part.strip() for part in scopes.split(",") if part.strip()))
    problems = [program_problem(program), key_name_problem(name), scope_problem(wanted)]
    found = [problem for problem in problems if problem]
    if found:
        raise CommandError(" ".join(found))
    ensure_program(settings, program)
    programs = PostgresPrograms(connect_info(settings).url)
    made = programs.create_key(program, name, wanted, is_test=test)
    if json_output:
        print_json(
            {
                "key_id": made.key_id,
                "key": made.key,
                "program": made.program,
                "scopes": list(made.scopes),
            }
        )
    else:
        say(f"Key {made.key_id} of {program} may do {', '.join(made.scopes)}. Shown this once:")
        typer.echo(made.key)


@app.command("list")
def list_keys(
    *,
    program: Annotated[str | None, typer.Option(help="Only this program's.")] = None,
    json_output: JsonOption = False,
) -> None:
    """List keys, revoked ones included."""
    programs = PostgresPrograms(connect_info(Settings.load()).url)
    if program is not None and (program_problem(program) or programs.find(program) is None):
        raise CommandError("There is no such program; `cardops program list` shows them.")
    found = programs.keys(program)
    if json_output:
        print_json({"data": [described(key) for key in found]})
        return
    for key in found:
        state = f"revoked {instant_text(key.revoked_at)}" if key.revoked_at else "live"
        name = key.name if key.name.isprintable() else ascii(key.name)
        typer.echo(f"{key.key_id}  {key.program}  {name}  {', '.join(key.scopes)}  {state}")


@app.command()
def revoke(
    key: Annotated[
        str, typer.Argument(help="The key's id, as `key list` shows it; or the whole key.")
    ],
    *,
    json_output: JsonOption = False,
) -> None:
    """Revoke a key; authorizers refuse it within a second."""
    key_id = named_key_id(key)
    if key_id is None:  # not repeated: it may be a key with a letter too many
        raise CommandError("This is no key's id; `cardops key list` shows them.")
    if not PostgresPrograms(connect_info(Settings.load()).url).revoke_key(key_id):
        raise CommandError(f"There is no key {key_id}; `cardops key list` shows the keys.")
    if json_output:
        print_json({"key_id": key_id, "revoked": True})
    else:
        say(f"Key {key_id} is revoked.")


def ensure_program(settings: Settings, name: str) -> None:
    """Create the program where it is missing, and say so."""
    if PostgresPrograms(connect_info(settings).url).find(name) is not None:
        return
    program = Program(name, settings.default_currency)
    check(program)
    if create_program(settings, program) is not None:
        say(
            f"Program {name} did not exist and was created in {program.currency}; "
            f"`cardops program rotate-secret {name}` shows a callback secret."
        )


def described(key: ApiKey) -> dict[str, object]:
    """A key for `--json`."""
    return {
        "key_id": key.key_id,
        "program": key.program,
        "name": key.name,
        "is_test": key.is_test,
        "scopes": list(key.scopes),
        "created_at": instant_text(key.created_at),
        "revoked_at": instant_text(key.revoked_at) if key.revoked_at else None,
    }
