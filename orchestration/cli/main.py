"""The `cardops` command: commands are imported when called, so `--help` never loads Dagster.

Belongs here: command names with their one-line help, and how an expected error is shown. What a
command does is in orchestration/cli/commands/<name>.py, in its `app` (a typer.Typer).
"""

import atexit
import importlib
import logging
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typing_extensions import override

from cardops.ports import AuditTrail
from cardops.rules.errors import ExplainedError
from orchestration.cli.audited import audit
from orchestration.cli.garbage import collect_seldom
from orchestration.cli.output import NOT_POSSIBLE, say

COMMANDS: Final = {
    "demo": "Run one day of card operations end to end and verify every figure.",
    "up": "Run the Dagster UI, sensors, authorizer and SFTP server until Ctrl-C.",
    "generate": "Write a realistic day of input files, with the expected results.",
    "submit": "Ingest a file and count accepted, duplicate and quarantined rows.",
    "importers": "Show which processor's report a file is, and what would become of it.",
    "mapping": "Say once how a sender's files differ from the contract; try it on a file.",
    "authorizer": "Run the authorizer alone.",
    "intake": "Ingest files as they arrive, until Ctrl-C.",
    "program": "Create card programs, rotate callback secrets, set limits.",
    "key": "Create, list and revoke API keys.",
    "user": "Block or unblock a user, set spending limits.",
    "deposits": "Approve a held deposit file, recall a wrong one.",
    "calendar": "Say which files are due when, and list those that are missing.",
    "quarantine": "List quarantined rows and release them for another try.",
    "contracts": "List the contracts of input files, print their JSON Schema for partners.",
    "callbacks": "Send, list and replay callbacks; enable endpoints again.",
    "disputes": "List disputes to answer, nearest deadline first; assign, note, accept, close.",
    "destinations": "Set up card companies' servers, try them, list them.",
    "deliveries": "List chargeback files and their delivery, retry a delivery.",
    "provisional": "List and post what disputes give back to users; record notices.",
    "alarms": "List alarms, one an incident; acknowledge and resolve them.",
    "audit": "List who changed what, in the UI and by commands.",
    "reconcile": "Compare the books of a business date with independent sources.",
    "report": "Build the daily report of a business date.",
    "sql": "Run a read-only query on the marts or the live database.",
    "doctor": "Check every configured part and say what to fix.",
    "version": "Print the versions of Cardops and of its main packages.",
}
# Commands that have subcommands.
GROUPS: Final = {
    "program",
    "audit",
    "alarms",
    "key",
    "user",
    "deposits",
    "importers",
    "mapping",
    "calendar",
    "quarantine",
    "contracts",
    "callbacks",
    "disputes",
    "deliveries",
    "provisional",
    "destinations",
}
# Commands that run for weeks keep Python's own garbage collection.
SERVICES: Final = {"up", "authorizer", "callbacks", "intake"}
# What database drivers raise when the server is gone, full or busy. A driver that was never imported
# cannot have raised.
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
    """Imports the module of a command when it is called, not when it is listed."""

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
    help="Run a card program: deposits, authorizations, reconciliation and chargebacks.",
)


@app.callback()
def _cardops() -> None:
    """Run a card program: deposits, authorizations, reconciliation and chargebacks."""


def _load(name: str) -> Any:
    module = importlib.import_module(f"orchestration.cli.commands.{name}")
    loader = typer.main.get_group if name in GROUPS else typer.main.get_command
    command: Any = loader(module.app)
    command.name = name
    command.help = command.help or COMMANDS[name]
    # Options for shell completion belong to the whole program, not to each command.
    command.params = [
        option for option in command.params if not str(option.name).endswith("_completion")
    ]
    audit(command, name, _audit_trail)
    return command


def _audit_trail() -> AuditTrail:
    # Loads the database driver, which `--help` does without.
    from cardops.bootstrap import Adapters  # noqa: PLC0415
    from cardops.settings import Settings  # noqa: PLC0415

    return Adapters(Settings.load()).audit_trail


def main() -> None:
    """Entry point of the console script. An expected error is one sentence and exit code 2."""
    if not SERVICES.intersection(sys.argv[1:2]):
        collect_seldom()
    keep_back_driver_warnings()
    # Registered first, so it runs last: only C extensions still write after it.
    atexit.register(_end_standard_error)
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except Exception as error:
        sentence = usage_sentence(error)
        if sentence is None and (sentence := sentence_of(error)):
            sentence += _full_disk(sentence)
        if sentence is None:
            raise
        say(sentence)
        sys.exit(NOT_POSSIBLE)


def keep_back_driver_warnings() -> None:
    """Psycopg warns of a rollback that failed after an error; the error itself is shown anyway."""
    logging.getLogger("psycopg").setLevel(logging.ERROR)


def _end_standard_error() -> None:
    """DuckDB's bindings print 40 lines of "leaks" when the interpreter ends with dbt loaded."""
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def usage_sentence(error: BaseException) -> str | None:
    """What is wrong with the arguments, or None where the error is about something else."""
    format_message = getattr(error, "format_message", None)
    if format_message is None:
        return None
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "cardops"
    message = " ".join(format_message().replace("Value error, ", "").split()).rstrip(".")
    return f"{message or 'A command is missing'}; `{path} --help` shows how it is used."


def sentence_of(error: BaseException) -> str | None:
    """The sentence for a person, or None where the error is a bug that needs its traceback."""
    if isinstance(error, ExplainedError):
        return str(error)
    for cause in _with_causes(error):
        if _is_one_of(cause, DATABASE_ERRORS):
            lines = str(getattr(cause, "orig", cause)).splitlines()[:1]
            reason = " ".join(lines).strip().rstrip(".")
            return (
                f"The database failed: {reason}. Unfinished changes were rolled back; check that "
                "it runs and has disk space, then run the command again."
            )
    if isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed":
        # The shell passed bytes that are not text.
        return "An argument is not valid UTF-8; type it as text."
    if isinstance(error, OSError) and error.strerror:
        where = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror}{where}; fix that and run the command again."
    return None


def _full_disk(sentence: str) -> str:
    """A second sentence where the home's disk is full and the first does not say so.

    An embedded database without room ends, and its sessions only see that it is gone.
    """
    from cardops.bootstrap import is_disk_full  # noqa: PLC0415
    from cardops.settings import Settings  # noqa: PLC0415

    try:
        home = Settings.load().home
    except ExplainedError:  # the sentence is about the settings
        return ""
    if "No space left" in sentence or not home.is_dir() or not is_disk_full(home):
        return ""
    free = shutil.disk_usage(home).free
    return f" The disk of {home} has {free // 1024} KiB left (No space left on device); free some."


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    """The error and those it was raised from: libraries wrap the errors of drivers."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _is_one_of(error: BaseException, known: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether the error is of one of these classes, in modules that have been imported."""
    return any(
        isinstance(error, getattr(sys.modules[module], name))
        for module, names in known.items()
        if module in sys.modules
        for name in names
        if hasattr(sys.modules[module], name)
    )


if __name__ == "__main__":
    main()
