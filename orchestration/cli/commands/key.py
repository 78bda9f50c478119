"""`cardops key`: the API keys with which partners call the authorizer."""

from typing import Annotated, Final

import typer

from cardops.bootstrap import Adapters
from cardops.rules.authorizations.decisions import instant_text
from cardops.rules.intake.files import DEFAULT_PROGRAM
from cardops.rules.programs.api_keys import (
    ApiKey,
    Scope,
    key_name_problem,
    named_key_id,
    scope_problem,
)
from cardops.rules.programs.programs import program_problem
from cardops.settings import Settings
from orchestration.cli.known_programs import ensure_program
from orchestration.cli.output import CommandError, JsonOption, print_json, say

ALL_SCOPES: Final = ",".join(scope.value for scope in Scope)

app = typer.Typer(no_args_is_help=True)


@app.command()
def create(
    *,
    program: Annotated[
        str, typer.Option(help="Program the key belongs to; created if missing.")
    ] = DEFAULT_PROGRAM,
    name: Annotated[str, typer.Option(help="A name that tells people whose key it is.")] = "key",
    scopes: Annotated[
        str, typer.Option(help="What the key may do: scopes, separated by commas.")
    ] = ALL_SCOPES,
    test: Annotated[
        bool, typer.Option("--test", help="Create a test key instead of a live one.")
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """Create an API key. It is shown only once."""
    requested = tuple(dict.fromkeys(part.strip() for part in scopes.split(",") if part.strip()))
    problems = [program_problem(program), key_name_problem(name), scope_problem(requested)]
    found = [problem for problem in problems if problem]
    if found:
        raise CommandError(" ".join(found))
    adapters = Adapters(Settings.load())
    ensure_program(adapters, program)
    created = adapters.programs.create_key(program, name, requested, is_test=test)
    if json_output:
        print_json(
            {
                "key_id": created.key_id,
                "key": created.key,
                "program": created.program,
                "scopes": list(created.scopes),
            }
        )
    else:
        say(
            f"Key {created.key_id} of program {program}, scopes {', '.join(created.scopes)}. Store it; it is shown only once:"
        )
        typer.echo(created.key)


@app.command("list")
def list_keys(
    *,
    program: Annotated[str | None, typer.Option(help="Only keys of this program.")] = None,
    json_output: JsonOption = False,
) -> None:
    """List API keys, including revoked ones."""
    programs = Adapters(Settings.load()).programs
    if program is not None and (program_problem(program) or programs.find(program) is None):
        raise CommandError("There is no such program; `cardops program list` shows the programs.")
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
        str, typer.Argument(help="The key's id as `cardops key list` shows it, or the whole key.")
    ],
    *,
    json_output: JsonOption = False,
) -> None:
    """Revoke an API key; authorizers reject it within a second."""
    key_id = named_key_id(key)
    if key_id is None:  # not echoed: it may be a secret key with a typo
        raise CommandError("This is not a key id; `cardops key list` shows the keys.")
    if not Adapters(Settings.load()).programs.revoke_key(key_id):
        raise CommandError(f"There is no key {key_id}; `cardops key list` shows the keys.")
    if json_output:
        print_json({"key_id": key_id, "revoked": True})
    else:
        say(f"Key {key_id} is revoked.")


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
