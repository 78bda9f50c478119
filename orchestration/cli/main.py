"""The `cardops` command: one lazy group, so that `--help` and light commands never load Dagster.

Belongs here: names, one-line helps, and how errors become one sentence. What a command does is
in orchestration/cli/commands/<name>.py, whose `app` (a typer.Typer) is loaded when it is called.
"""

import atexit
import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typing_extensions import override

from orchestration.cli.garbage import collect_seldom
from orchestration.cli.output import NOT_POSSIBLE, CommandError, say

COMMANDS: Final = {
    "demo": "One day of card operations, from files to reconciled books.",
    "up": "Run everything until Ctrl-C: UI, sensors, authorizer, SFTP server.",
    "generate": "Write a realistic day of input files, good and bad rows, and the truth of them.",
    "submit": "Take a file in, wait, and say what became of each row.",
    "authorizer": "Run the authorizer alone.",
    "program": "Create card programs, rotate their callback secrets.",
    "key": "Create, list and revoke partners' API keys.",
    "user": "Block or unblock a user, set limits.",
    "deposits": "Take back a wrong or returned deposit file.",
    "quarantine": "List what was quarantined, release it for another try.",
    "callbacks": "Send, list and replay callbacks, take endpoints back into use.",
    "deliveries": "List chargeback files and their state, retry a delivery.",
    "reconcile": "Compare the books of a business date with independent sources.",
    "report": "Make the daily report.",
    "sql": "Ask the published marts, or the live database.",
    "doctor": "Check every configured part and say what to mend.",
    "version": "Print the version.",
}
# Commands with commands of their own, be it only one.
GROUPS: Final = {"program", "key", "user", "deposits", "quarantine", "callbacks", "deliveries"}
# They run for weeks, and keep to what Python thinks right.
SERVICES: Final = {"up", "authorizer", "callbacks"}
# Errors whose message is one sentence, by the module that defines them; a module that was never
# loaded cannot have raised.
SENTENCES: Final = {
    "cardops.settings": ("SettingsError",),
    "cardops.adapters.postgresql.errors": ("DatabaseUnavailableError", "MigrationChangedError"),
    "cardops.adapters.secrets": ("SecretUnreadableError",),
    "cardops.adapters.telemetry.opening": ("TelemetryError",),
    "cardops.rules.reports": ("NothingBuiltError",),
    "cardops.rules.intake.objects": ("ObjectStoreError",),
    "cardops.services.intake.submission": ("SubmissionError",),
    "cardops.rules.intake.files": (
        "IntakeFileMissingError",
        "BatchMissingError",
        "StagingLostError",
    ),
}
# What drivers raise where the server is gone, full or busy: their words, without the statement.
DATABASE_ERRORS: Final = {
    "psycopg": ("OperationalError",),
    "asyncpg": (
        "PostgresConnectionError",
        "InsufficientResourcesError",
        "OperatorInterventionError",
    ),
    "sqlalchemy.exc": ("OperationalError",),
}


class LazyGroup(TyperGroup):
    """Commands by name; a command's module is imported when it is called, not when listed."""

    _is_listing = False

    @override
    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    @override
    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        if self._is_listing:
            return TyperCommand(cmd_name, help=COMMANDS[cmd_name])
        return _load(cmd_name)

    @override
    def format_help(self, ctx: Any, formatter: Any) -> None:
        self._is_listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._is_listing = False


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Cardops: deposits, authorization, reconciliation and chargebacks of a card program.",
)


@app.callback()
def _cardops() -> None:
    """Cardops: deposits, authorization, reconciliation and chargebacks of a card program."""


def _load(name: str) -> Any:
    module = importlib.import_module(f"orchestration.cli.commands.{name}")
    loader = typer.main.get_group if name in GROUPS else typer.main.get_command
    command: Any = loader(module.app)
    command.name = name
    # Completion is a matter of the whole program.
    command.params = [one for one in command.params if not str(one.name).endswith("_completion")]
    return command


def main() -> None:
    """Entry point of the console script. Expected errors are one sentence and exit code 2."""
    if not SERVICES.intersection(sys.argv[1:2]):
        collect_seldom()
    # Registered first, so it runs last: from then on only C extensions report on themselves.
    atexit.register(_end_standard_error)
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except Exception as error:
        sentence = usage_sentence(error) or sentence_of(error)
        if sentence is None:
            raise
        say(sentence)
        sys.exit(NOT_POSSIBLE)


def _end_standard_error() -> None:
    """DuckDB's bindings list 40 lines of "leaks" when the interpreter ends with dbt loaded."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def usage_sentence(error: BaseException) -> str | None:
    """What is wrong with the words of the command; None where they are not what is wrong."""
    told = getattr(error, "format_message", None)
    if told is None:
        return None
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "cardops"
    message = " ".join(told().replace("Value error, ", "").split()).rstrip(".")
    return f"{message or 'A command is missing'}; `{path} --help` shows how it is used."


def sentence_of(error: BaseException) -> str | None:
    """What to tell a person, or None where the error is a bug and its trace is wanted."""
    if isinstance(error, CommandError):
        return str(error)
    if _is_one_of(error, SENTENCES):
        return str(error)
    for one in _with_causes(error):
        if _is_one_of(one, DATABASE_ERRORS):
            words = " ".join(str(getattr(one, "orig", one)).splitlines()[:1]).strip().rstrip(".")
            return (
                f"The database gave up: {words}; nothing half-done counts, so see that it runs "
                "and has disk space, and run the command again."
            )
    if isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed":
        # What the shell handed over was no text, and so is no name or id of anything.
        return "An argument is not valid UTF-8; give it as text."
    if isinstance(error, OSError) and error.strerror:
        where = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror}{where}; mend that and run the command again."
    return None


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and those that it was raised from: libraries wrap what a driver said."""
    one: BaseException | None = error
    while one is not None:
        yield one
        one = one.__cause__


def _is_one_of(error: BaseException, known: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether it is of one of these classes; those of a module that was never loaded are not."""
    return any(
        isinstance(error, getattr(sys.modules[module], name))
        for module, names in known.items()
        if module in sys.modules
        for name in names
        if hasattr(sys.modules[module], name)
    )


if __name__ == "__main__":
    main()
