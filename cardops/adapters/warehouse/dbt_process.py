"""dbt as Cardops starts it: `python -P -m cardops.adapters.warehouse.dbt_process ARGUMENTS`.

The same as the `dbt` command beside this interpreter, with changes that take half off a small build
(docs/decisions/0027): garbage is collected rarely, because dbt's million objects live until its end; they
are not taken apart one by one at that end; a message that no log shows is not made; a template is compiled once; one
parse of the project serves every build file; and a manifest that says nothing new is not written.
And a failed test keeps no model from being built (docs/decisions/0071).

Belongs here: how dbt's own process is set up. Without `-P` this folder would come first on the
Python path, and `dbt` would be the module beside this one.
"""

import atexit
import gc
import logging
import os
import sys
from pathlib import Path
from typing import Any, Final, NoReturn

GARBAGE_THRESHOLDS: Final = (50_000, 20, 100)
# What dbt keeps of a parse, in its target folder.
PARSED_PROJECT: Final = "partial_parse.msgpack"


def make_only_shown_messages() -> None:
    """Make no message that no log of this process shows.

    dbt makes thousands in a build, most of them of level debug, and formats each for its console.
    tests/orchestration/test_private_dagster.py fails where a new version makes them elsewhere.
    """
    from dbt_common.events import logger as dbt_logging  # noqa: PLC0415 - see main
    from dbt_common.events.base_types import BaseEvent, EventLevel  # noqa: PLC0415 - as above
    from dbt_common.events.event_manager import EventManager  # noqa: PLC0415 - as above

    python_levels = dbt_logging._log_level_map  # noqa: SLF001 - dbt has no setting for it
    fire_event = EventManager.fire_event
    fill = BaseEvent.__init__

    def fire_if_shown(
        manager: Any, event: Any, level: Any = None, node: Any = None, *others: Any, **more: Any
    ) -> None:
        fired_at = python_levels[level or event.level_tag()]
        # Of warnings and errors dbt itself takes note.
        if (
            fired_at >= logging.WARNING
            or type(event).__name__ in ("PrintEvent", "Formatting")
            or any(shows(logger, fired_at) for logger in manager.loggers)
        ):
            fire_event(manager, event, level, node, *others, **more)

    def shows(logger: Any, level: int) -> bool:
        log: logging.Logger | None = logger._python_logger  # noqa: SLF001 - as above
        return log is None or log.isEnabledFor(level)

    class FilledWhenRead:
        """An event's message, made of its arguments as soon as somebody reads it."""

        def __get__(self, event: Any, owner: Any) -> Any:
            arguments = event.__dict__["arguments"]
            fill(event, **arguments)  # writes the message over this
            return event.__dict__["pb_msg"]

    def keep_arguments(event: Any, *args: Any, **arguments: Any) -> None:
        if args or event.level_tag() != EventLevel.DEBUG:
            fill(event, *args, **arguments)
        else:
            event.__dict__["arguments"] = arguments

    EventManager.fire_event = fire_if_shown  # type: ignore[method-assign,assignment] # as above
    BaseEvent.pb_msg = FilledWhenRead()
    BaseEvent.__init__ = keep_arguments  # type: ignore[method-assign,assignment] # as above


def compile_each_template_once() -> None:
    """Keep what Jinja compiled of a text: the tests of a model have most of theirs in common.

    tests/orchestration/test_private_dagster.py fails where a new version compiles them elsewhere.
    """
    from dbt_common.clients.jinja import MacroFuzzEnvironment  # noqa: PLC0415 - see main

    compile_template = MacroFuzzEnvironment.compile
    compiled: dict[tuple[Any, ...], Any] = {}

    def compile_once(environment: Any, source: Any, *arguments: Any, **more: Any) -> Any:
        # What it names decides the code, and the kind of environment.
        key = (type(environment), source, *arguments, *sorted(more.items()))
        if key not in compiled:
            compiled[key] = compile_template(environment, source, *arguments, **more)
        return compiled[key]

    MacroFuzzEnvironment.compile = compile_once  # type: ignore[method-assign,assignment] # dbt has no setting for it


def build_models_whatever_tests_say() -> None:
    """Let no model of `dbt build` wait for a test, nor be skipped because one failed.

    On a day whose books do not close a test fails, and the report of that day needs every mart. The build
    still fails, and nothing of it is published. tests/orchestration/test_private_dagster.py fails
    where a new version orders them elsewhere.
    """
    from dbt.compilation import Linker  # noqa: PLC0415 - see main

    def add_no_edges(linker: Any, manifest: Any) -> None:
        """Tests wait for their models by edges that are there already."""

    Linker.add_test_edges = add_no_edges  # type: ignore[method-assign,assignment] # dbt has no setting for it


def parse_once_for_all_build_files() -> None:
    """Let what set-up parsed serve a build whose file lies elsewhere.

    dbt parses everything again where the connection changed, for models whose text depends on it. No
    model of ours names the file, whose name is `build` everywhere, or a setting of its session.
    """
    from dbt.adapters.duckdb.credentials import DuckDBCredentials  # noqa: PLC0415 - see main

    connection_keys: Any = DuckDBCredentials._connection_keys  # noqa: SLF001 - dbt has no setting for it

    def keys_of_every_file(credentials: Any) -> tuple[str, ...]:
        found = connection_keys(credentials)
        return tuple(key for key in found if key not in ("path", "settings"))

    DuckDBCredentials._connection_keys = keys_of_every_file  # type: ignore[method-assign] # noqa: SLF001 - as above


def write_changed_manifests_alone() -> None:
    """Write the manifest where the project was parsed, not twice in each build.

    tests/orchestration/test_private_dagster.py fails where a new version writes it elsewhere.
    """
    from dbt.parser import manifest as parser  # noqa: PLC0415 - see main
    from dbt.task import runnable  # noqa: PLC0415 - as above

    write_manifest = parser.write_manifest

    def write_if_changed(manifest: Any, target_path: str, which: str | None = None) -> None:
        written, parsed = Path(target_path, "manifest.json"), Path(target_path, PARSED_PROJECT)
        is_current = written.exists() and parsed.exists() and is_newer(written, parsed)
        if not is_current:
            write_manifest(manifest, target_path, which)

    parser.write_manifest = write_if_changed
    runnable.write_manifest = write_if_changed  # type: ignore[attr-defined] # it is imported there


def is_newer(path: Path, other: Path) -> bool:
    """Whether it was written after the other."""
    return path.stat().st_mtime_ns > other.stat().st_mtime_ns


def main() -> NoReturn:
    """Run dbt's own command line, and end the process with its exit code."""
    gc.set_threshold(*GARBAGE_THRESHOLDS)  # before the imports: they make most of the objects
    make_only_shown_messages()
    compile_each_template_once()
    build_models_whatever_tests_say()
    parse_once_for_all_build_files()
    write_changed_manifests_alone()
    from dbt.cli.main import cli  # noqa: PLC0415 - as above

    try:
        cli()
        code = 0
    except SystemExit as end:
        # As the interpreter reads it: nothing is success, a text is a message and a failure.
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
    # Among these, dbt-duckdb closes the file that was built.
    atexit._run_exitfuncs()  # noqa: SLF001 - it has no public name
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
